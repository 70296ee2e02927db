"""`python -m tests.proof.routing`: play the story, then look for what must never happen."""
import asyncio, sys, tempfile, time
from pathlib import Path
from tests.proof.routing.story import Wanted, play
from tests.proof.routing.tape import POSTGRES
from tests.servers import KafkaCluster, Postgres
began = time.monotonic()
def tell(s): print(f"{time.monotonic()-began:6.1f} {s}", flush=True)
p = Path(tempfile.mkdtemp()); p.chmod(0o711)
tell(str(p))
n, g = int(sys.argv[1]), int(sys.argv[2])
with KafkaCluster.start(p/"k") as k, Postgres.start(p/"pg", settings=POSTGRES) as pg:
    u = pg.create_database("guichet")
    tell(u)
    try:
        r = asyncio.run(play(Wanted(mentions=n, given=g, kills=1), f"kafka://{k.bootstrap}", u, p/"house", tell))
        print(r.acts, r.killed, r.seconds)
    except BaseException as e:
        import traceback; traceback.print_exc()
    import subprocess
    subprocess.run(["pg_dump","-Fc","-f",str(p/"dump"),u])
    subprocess.run(["psql",u,"-c","select state,count(*) from router.work_items group by 1","-c","select reason,state,count(*) from router.work_item_changes group by 1,2 order by 3 desc","-c","select count(*) from proof.states","-c","select state,count(*) from router.reservations group by 1", "-c", "select r.state, i.state, count(*) from router.reservations r join router.work_items i on i.id=item_id where r.state='pending' group by 1,2"])
    if len(sys.argv)>3: input()
