"""Millions of rows, made by PostgreSQL itself: a past in which everybody was answered, and some who wait today."""

import asyncpg

from bench.posts import HANDLE, NETWORK

FEW = 10_000
OPEN = 10_000  # items that wait
AGENTS = 20
QUEUE = "support"
CHUNK = 1_500_000  # rows of a statement: one transaction of all of them would keep its log until the end

_SET_UP = f"""
insert into router.setup(kind, slug, version, team, body, updated_at)
  values ('queues', '{QUEUE}', 1, 'main', '{{"team":"main"}}', now());
insert into router.lines(line, queue) values ('{QUEUE} main', '{QUEUE}');
update router.setup_revision set revision = revision + 1;
insert into router.agents(slug, name, team, skills, capacity, used, presence, presence_at, version, updated_at, teams,
  queues, hours, timeouts)
  select 'agent-' || n, '', 'main', '{{}}', 1000000, 0, 'available', now(), 1, now(), '[]', '[]', '', 0
  from generate_series(0, {AGENTS - 1}) n
"""
# of conversation g: the past grows towards today, a conversation every so many seconds
_AT = "now() - interval '1 day' - ({last} - g) * interval '20 s'"
_CNV, _ITM = "'cnv_' || lpad(g::text, 22, '0')", "'itm_' || lpad(g::text, 22, '0')"
_LABELS = '{"language":"en","intent":"complaint","needs_response":true,"urgency":"normal"}'
_ROUTING = '{"target_seconds":5400,"language":"en","network":"x","sla":"default"}'
_PAST: dict[str, str] = {
    "conversations": f"""(id, network, author_id, author_username, handle, team, key, thread_id, language, state,
    opened_at, last_message_at, last_customer_at, version, updated_at, urgency, replied_at, agent, agent_at, cycle,
    reason, merged_into, private)
  select {_CNV}, '{NETWORK}', 'a' || g, 'person' || g, '{HANDLE}', 'main', md5(g::text), 't' || g, 'en', 'closed', at,
    at + interval '3 min', at + interval '2 min', 5, at + interval '3 min', 'normal', at + interval '3 min',
    'agent-' || g % {AGENTS}, at + interval '3 min', 1, '', '', false""",
    "mentions": f"""(network, post_id, version, handle, also_named, conversation_id, item_id, queue, team, outcome,
    author_id, author_username, text, thread_id, in_reply_to, private, source, reach, labels, posted_at, received_at,
    answered_at, answered_by, traceparent, updated_at)
  select '{NETWORK}', 'p' || lpad(g::text, 12, '0') || m, 1, '{HANDLE}', '[]', {_CNV}, {_ITM}, '{QUEUE}', 'main',
    case m when 0 then 'opened' else 'joined' end, 'a' || g, 'person' || g,
    'my bag never came out in Porto, and this is the ' || m || '. time that I write to you', 't' || g, '', false, 'api',
    '{{"followers":12}}', '{_LABELS}', at + m * interval '1 min', at + m * interval '1 min', at + interval '3 min',
    'own' || g, '', at + interval '3 min'""",
    "own_posts": f"""(network, post_id, handle, conversation_id, answered_person, in_reply_to, text, posted_at,
    reply_id, agent, event_id, updated_at)
  select '{NETWORK}', 'own' || lpad(g::text, 12, '0'), '{HANDLE}', {_CNV}, 'a' || g,
    'p' || lpad(g::text, 12, '0') || 2, 'We look into it', at + interval '3 min', '', 'agent-' || g % {AGENTS},
    md5(g::text), at + interval '3 min'""",
    "work_items": f"""(id, conversation_id, queue, team, line, state, urgency, rank, enqueued_at, due_at, sort_at,
    agent, assigned_at, opened_by, reason, version, updated_at, late, weight, routing)
  select {_ITM}, {_CNV}, '{QUEUE}', 'main', '{QUEUE} main', 'completed', 'normal', 5, at, at + interval '90 min',
    at + interval '90 min', 'agent-' || g % {AGENTS}, at + interval '2 min', 'p' || lpad(g::text, 12, '0') || 0,
    'answered', 3, at + interval '3 min', false, 1, '{_ROUTING}'""",
    "work_item_changes": f"""(item_id, version, state, reason, actor, agent, at)
  select {_ITM}, 2 + m, case m when 0 then 'assigned' else 'completed' end,
    case m when 0 then 'taken' else 'answered' end, 'router', 'agent-' || g % {AGENTS}, at + (2 + m) * interval '1 min'
    """,
    "clocks": f"""(item_id, kind, conversation_id, queue, team, policy, policy_version, urgency, started_at, due_at,
    state, stopped_at, reason, changes)
  select {_ITM}, 'first', {_CNV}, '{QUEUE}', 'main', 'default', 0, 'normal', at, at + interval '90 min', 'met',
    at + interval '3 min', 'answered', '[]'""",
}
_OF_EACH = {"mentions": 3, "work_item_changes": 2}  # rows of a conversation; else one
# the latest conversations have an item that waits, or that one of the agents holds
_TODAY = f"""
insert into router.work_items(id, conversation_id, queue, team, line, state, urgency, rank, enqueued_at, due_at,
    sort_at, agent, assigned_at, opened_by, reason, version, updated_at, late, weight, routing)
  select 'itm_open' || lpad(g::text, 18, '0'), {_CNV}, '{QUEUE}', 'main', '{QUEUE} main',
    case when g % 50 = 0 then 'assigned' else 'pending' end, u, 1 + 2 * (array_position(us, u) - 1), at,
    at + interval '2 h', at + interval '2 h', case when g % 50 = 0 then 'agent-' || g / 50 % {AGENTS} else '' end,
    case when g % 50 = 0 then at end, 'p' || lpad(g::text, 12, '0') || 2, '', 2, at, false, 1, '{_ROUTING}'
  from generate_series(1, least({OPEN}, {{last}})) g, lateral (select now() - (g % 3600) * interval '1 s' as at,
    array['critical', 'high', 'normal', 'low', 'none'] as us) made, lateral (select us[1 + g % 5] as u) urgency;
update router.conversations set state = 'open' where id in
  (select conversation_id from router.work_items where state in ('pending', 'assigned'));
update router.agents set used = (select count(*) from router.work_items where agent = slug and state = 'assigned')
"""


def conversation_of(number: int) -> str:
    """The id of the n-th conversation."""
    return f"cnv_{number:022}"


def author_of(number: int) -> str:
    """Who wrote it."""
    return f"a{number}"


async def fill(url: str, rows: int) -> None:
    """Into the empty tables: `rows` mentions, and all that belongs to them."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("set synchronous_commit = off")
        await connection.execute(_SET_UP)
        last = rows // 3
        for table, statement in _PAST.items():
            each = _OF_EACH.get(table, 1)
            for first in range(1, last + 1, CHUNK // each):
                until = min(last, first + CHUNK // each - 1)
                made = f"generate_series({first}, {until}) g, lateral (select {_AT.format(last=last)} as at) made"
                series = f", generate_series(0, {each - 1}) m" if each > 1 else ""
                await connection.execute(f"insert into router.{table}{statement} from {made}{series}", timeout=3600)
        await connection.execute(_TODAY.replace("{last}", str(last)), timeout=3600)
        await connection.execute("vacuum analyze", timeout=3600)
    finally:
        await connection.close()
