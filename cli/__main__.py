"""The `guichet` command: all its commands in one place; what they do stands in the modules beside this one."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from typer.core import TyperGroup

from cli import bench, dlq, keys, simulate_command
from cli import length as length_command
from cli.options import BusAddress, Cascade, Data, DatabaseAddress, Host, Model, PortBase, err, out
from cli.trouble import Trouble

app = typer.Typer(
    name="guichet",
    help="Takes every mention of a brand on social networks, understands it, routes it, answers it once.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(keys.app, name="keys")
app.add_typer(dlq.app, name="dlq")
app.add_typer(bench.app, name="bench")


@app.command()
def up(
    data: Data = Path("data"),
    bus: BusAddress = None,
    database: DatabaseAddress = None,
    host: Host = None,
    port_base: PortBase = None,
    sandbox: Annotated[bool, typer.Option("--sandbox/--no-sandbox", help="Send replies to a sandbox network.")] = True,
) -> None:
    """Start everything in one process.

    Migrates the tables, makes the topics on Kafka and a first key, then prints the addresses and one working call.
    """
    from cli import up as room
    from cli.installation import Installation
    from cli.loop import run

    room.configure_logs(os.environ)
    installation = Installation(data, bus, database, host, port_base)
    house = room.Up(installation, sandbox, _say, lambda opened: room.show(out, opened))
    raise typer.Exit(run(house.run()))


@app.command()
def demo(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Its own data folder.")] = Path("data/demo"),
    speed: Annotated[float, typer.Option("--speed", min=1, max=3600, help="Times faster than written.")] = 60.0,
    seconds: Annotated[float | None, typer.Option("--seconds", min=0, help="Stop after so long.")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines instead of the live screen.")] = False,
    host: Host = None,
    port_base: PortBase = None,
) -> None:
    """See it work: bilingual traffic, six agents who answer it, live.

    Everything runs in one process, replies go to the sandbox network, nothing leaves this machine. Started again,
    it goes on where it was.
    """
    from cli.demo import run as room
    from cli.installation import Installation
    from cli.loop import run

    installation = Installation(data, "local", f"sqlite:///{data}", host, port_base)
    raise typer.Exit(run(room.demo(installation, out, speed=speed, seconds=seconds, plain=plain)))


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="NDJSON, one post a line in X's shape, oldest first.")],
    speed: Annotated[
        str, typer.Option("--speed", help="60: so many times faster than written; 200/s: a fixed rate; max.")
    ] = "max",
    shift: Annotated[
        str | None,
        typer.Option(
            "--shift",
            help="now: the last post is from now; with a pace each is from the moment it is sent. Ids stay.",
        ),
    ] = None,
    brands: Annotated[
        str | None,
        typer.Option("--brands", help="Our handles: a file of users, or names; else FILE's ..._users.ndjson."),
    ] = None,
    to: Annotated[str, typer.Option("--to", help="Ingest's address; else the house of the data folder.")] = "",
    network: Annotated[str, typer.Option("--network", help="The network the posts are from.")] = "x",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only so many posts.")] = None,
    again: Annotated[bool, typer.Option("--again", help="From the beginning, not where it was stopped.")] = False,
    data: Data = Path("data"),
) -> None:
    """Send a file of posts to ingest.

    Stopped, it goes on where it was. While ingest is away it waits.
    """
    from cli import replay_command as room
    from cli.loop import run

    order = room.Order(file, speed, shift, brands, to, network, limit, again, data)
    run(room.replay(order, out, err))


@app.command()
def doctor(
    data: Data = Path("data"), bus: BusAddress = None, database: DatabaseAddress = None, port_base: PortBase = None
) -> None:
    """Say what is reachable and what is wrong.

    The exit status is 1 when something is.
    """
    from cli import doctor as room
    from cli.installation import Installation
    from cli.loop import run

    raise typer.Exit(run(room.doctor(Installation(data, bus, database, None, port_base), out)))


@app.command()
def migrate(data: Data = Path("data"), database: DatabaseAddress = None) -> None:
    """Bring the tables of all services to this version."""
    from cli import services
    from cli.installation import Installation
    from cli.loop import run

    for line in run(services.migrate_all(Installation(data, None, database))):
        out.print(line, soft_wrap=True)


@app.command("restore-finish")
def restore_finish(
    backup_time: Annotated[
        str, typer.Option("--backup-time", metavar="TIME", help="When the backup began: 2026-03-02T12:00:00Z.")
    ],
    data: Data = Path("data"),
    bus: BusAddress = None,
    database: DatabaseAddress = None,
) -> None:
    """After a backup was restored, before anything is started on it: no reply may go out twice.

    Replies that may have gone out since are looked for on the network before anything is sent; router and responder
    read the log again from ten minutes before the backup.
    """
    from cli import restore as room
    from cli.installation import Installation
    from cli.loop import run

    for line in run(room.finish(Installation(data, bus, database), room.moment(backup_time))):
        out.print(line, soft_wrap=True)


@app.command()
def topics(
    bus: Annotated[str, typer.Option("--bus", envvar="GUICHET_BUS", help="kafka://HOST:PORT[,HOST:PORT]")],
    partitions: Annotated[
        int, typer.Option("--partitions", envvar="GUICHET_PARTITIONS", min=1, max=1000, help="Of every topic.")
    ] = 12,
    replication: Annotated[
        int | None, typer.Option("--replication", min=1, help="Copies; one a broker, at most 3, unless written.")
    ] = None,
) -> None:
    """Make the topics on Kafka.

    Those that are there stay as they are; what is wrong with them is said.
    """
    from cli.loop import run
    from libs.common import topics as room
    from libs.common.bus_kafka import parse
    from libs.common.kafka_login import OnlyKafka, login_of

    place = parse(bus)
    report = run(room.create(place, partitions, replication, login=login_of(OnlyKafka.load(bus=bus))))
    for name in report.created:
        out.print(f"{name} created")
    for name in report.kept:
        out.print(f"{name} was there")
    if report.wrong:
        raise Trouble("; ".join(report.wrong))


@app.command()
def sandbox(
    data: Data = Path("data"),
    host: Host = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="8009 unless written.")] = None,
) -> None:
    """Run the sandbox network alone, which behaves like X."""
    from cli import services, up
    from cli.installation import Installation
    from cli.loop import run

    up.configure_logs(os.environ)
    raise typer.Exit(run(services.sandbox_alone(Installation(data, None, None, host), port, _say)))


@app.command()
def classify(
    file: Annotated[
        Path | None,
        typer.Argument(help="One post a line: plain text, or JSON in X's shape; - or none: standard input."),
    ] = None,
    scores: Annotated[bool, typer.Option("--scores", help="Add the probability of every label, by head.")] = False,
    model: Model = None,
    cascade: Cascade = 0,
) -> None:
    """Say what posts are: one JSON object a line, in order."""
    from cli import classify as room

    room.classify(file, model, cascade, scores=scores)


@app.command()
def train(
    corpus: Annotated[Path | None, typer.Option("--corpus", help="A folder of posts; else the one that ships.")] = None,
    corrections: Annotated[
        Path | None, typer.Option("--corrections", help="The export of the router's /v1/corrections.")
    ] = None,
    to: Annotated[Path, typer.Option("--to", help="Where to write the model.")] = Path("model.npz"),
    name: Annotated[str, typer.Option("--name", help="As every label will name it.")] = "guichet-1",
    cascade: Annotated[
        bool, typer.Option("--cascade", help="The heads of the second look instead: the extra `cascade`.")
    ] = False,
    x_because: Annotated[
        str, typer.Option("--x-because", help="Why posts of X may be learnt from here: its terms forbid it.")
    ] = "",
) -> None:
    """Train a model file.

    The same posts give the same file. With corrections, a model that is worse on any head is not written.
    """
    from cli import train as room

    if cascade:
        room.train_cascade(corpus, corrections, to, err)
        return
    room.train(corpus, corrections, to, name, x_because, err)


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(help="A CSV with a header.")],
    mapping: Annotated[Path, typer.Option("--map", help="TOML: which columns say what, in which words.")],
    text: Annotated[str | None, typer.Option("--text", help="The column of the text; else the mapping's.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of the table.")] = False,
    model: Model = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only so many rows.")] = None,
    cascade: Cascade = 0,
) -> None:
    """Score the classifier on any labelled CSV."""
    from cli import evaluate as room

    room.evaluate(file, text, mapping, model, as_json, limit, out, cascade)


app.command()(length_command.length)
app.command()(simulate_command.simulate)


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="The set-up, as TOML; config/ has two examples.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Take out what is there and not in FILE, in the sections that FILE has.")
    ] = False,
    to: Annotated[str, typer.Option("--to", help="The address; else the house of the data folder.")] = "",
    data: Data = Path("data"),
) -> None:
    """Bring queues, policies, hours, teams, agents and handles to where a file says.

    It says what it changes. Applied again, it changes nothing.
    """
    from cli import apply as room
    from cli.house import find
    from cli.loop import run

    raise typer.Exit(run(room.apply(file, find(data, to), out, err, dry_run=dry_run, prune=prune)))


@app.command()
def openapi(file: Annotated[Path | None, typer.Argument(help="Where to write; else to the terminal.")] = None) -> None:
    """Write the REST API as one OpenAPI document."""
    from cli.openapi import document

    _write(document(), file)


@app.command()
def asyncapi(file: Annotated[Path | None, typer.Argument(help="Where to write; else to the terminal.")] = None) -> None:
    """Write the events on the wire as an AsyncAPI document."""
    from cli.asyncapi import document

    _write(document(), file)


@app.command()
def version() -> None:
    """Print the version."""
    from libs.common import __version__

    out.print(__version__)


def _say(line: str) -> None:
    err.print(line, soft_wrap=True, markup=False)


def _write(document: object, file: Path | None) -> None:
    import json

    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise Trouble(f"{file} cannot be written: {error.strerror}") from error


def main() -> NoReturn:
    """The console script: whatever fails is one line on stderr and a status that is not 0."""
    logging.getLogger().addHandler(logging.NullHandler())  # libraries say on their own what we say better
    command = typer.main.get_command(app)
    assert isinstance(command, TyperGroup)
    sys.exit(run_command(command))


def run_command(command: TyperGroup, args: list[str] | None = None) -> int:
    """The command's exit status."""
    from libs.common.errors import Misconfigured, Unavailable

    try:
        status = command.main(args, prog_name="guichet", standalone_mode=False)
    except typer.TyperException as error:  # an option that is none; without a message: help was shown
        message = error.format_message()
        return _fails(message, error.exit_code) if message else error.exit_code
    except Trouble as error:
        return _fails(str(error), error.code)
    except Misconfigured as error:
        return _fails(str(error), 2)
    except Unavailable as error:
        return _fails(str(error), 1)
    except (KeyboardInterrupt, typer.Abort):
        return _fails("stopped", 130)
    except BrokenPipeError:  # whoever read us has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("PYTHONDEVMODE"):
            raise
        what = " ".join(str(error).split())[:200]
        return _fails(f"a mistake of ours, {type(error).__name__}: {what} (PYTHONDEVMODE=1 shows where)", 70)
    return status if isinstance(status, int) else 0


def _fails(message: str, status: int) -> int:
    line = " ".join(message.split()) or "failed"
    sys.stderr.write(f"guichet: {line}\n")
    return status


if __name__ == "__main__":
    main()
