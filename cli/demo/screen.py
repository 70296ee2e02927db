"""Draws a snapshot: about 100 columns and 30 lines that are understood in five seconds. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.style import Style
from rich.text import Text

from cli.demo.snapshot import URGENCIES, AgentView, AnswerView, PostView, QueueView, Snapshot
from cli.words import span

BAR = 28  # cells of the longest bar
LOOKS: Mapping[str, tuple[str, str]] = {
    "critical": ("█", "bold red"),
    "high": ("▓", "dark_orange"),
    "normal": ("▒", "green"),
    "low": ("░", "cyan"),
    "none": ("·", "bright_black"),
}
"""A bar's glyph and colour; the glyphs tell urgencies apart where there is no colour."""
DIM = "bright_black"


@dataclass(frozen=True)
class Header:
    """What does not change while the demo runs."""

    addresses: Mapping[str, str]
    curl: Sequence[str]  # lines that a shell joins; the key stands in it
    key_file: str


def draw(header: Header, snapshot: Snapshot, width: int = 100, height: int = 30) -> RenderableType:
    """The whole screen."""
    top = [
        _title(header, width),
        *_entrance(header, width),
        Text(),
        _legend(),
        *_queues(snapshot.queues, width),
        Text(),
    ]
    bottom = [Text(), *_agents(snapshot.agents, width), _footer(snapshot, width)]
    room = height - len(top) - len(bottom)
    answers = min(len(snapshot.answers), max(1, (room - 7) // 4))
    below = [line for each in snapshot.answers[:answers] for line in _answer(each, width)]
    below = [Text(), _heading("Just answered"), *below] if below else []
    most = max(1, (room - 1 - len(below)) // 2)
    posts = [line for post in snapshot.posts[:most] for line in _post(post, snapshot, width)]
    middle = [_heading("Just in"), *(posts or [Text("  the first posts are on their way", style=DIM)]), *below]
    middle += [Text()] * (room - len(middle))
    return Group(*top, *middle, *bottom)


def _heading(text: str) -> Text:
    return Text(text, style=DIM)


def _title(header: Header, width: int) -> Text:
    line = Text("Guichet demo  ", style="bold")
    host = ""
    for name, address in header.addresses.items():
        own, _, port = address.removeprefix("http://").rpartition(":")
        line.append(f"{own if own != host else ''}:{port}", "default")
        line.append(f" {name}  ", DIM)
        host = own
    line.rstrip()
    return _cut(line, width)


def _entrance(header: Header, width: int) -> list[Text]:
    if max(map(len, header.curl), default=0) > width - 6:  # half a call is worse than none
        return [_cut(Text.assemble(("key   ", DIM), header.key_file, ("  a wider terminal shows a call", DIM)), width)]
    return [
        Text.assemble(("try   " if number == 0 else "      ", DIM), line, no_wrap=True)
        for number, line in enumerate(header.curl)
    ]


def _legend() -> Text:
    line = Text("Queues      ", style=DIM)
    for urgency in URGENCIES:
        glyph, style = LOOKS[urgency]
        line.append(f"{glyph} ", Style.parse(style))
        line.append(f"{urgency}  ", DIM)
    return line


def bar(depth: Mapping[str, int], longest: int, cells: int = BAR) -> list[tuple[str, int]]:
    """How many cells each urgency gets: its share of the longest queue, at least one where there is any.

    Never more than `cells` in all: what is too much is taken from the largest.
    """
    if longest <= 0:
        return []
    scale = min(1.0, cells / longest)
    widths = {urgency: max(1, round(depth[urgency] * scale)) for urgency in URGENCIES if depth.get(urgency)}
    while sum(widths.values()) > cells:
        widths[max(widths, key=lambda urgency: widths[urgency])] -= 1
    return list(widths.items())


def _queues(queues: Sequence[QueueView], width: int) -> list[RenderableType]:
    longest = max((queue.total for queue in queues), default=0)
    name = max((len(queue.name) for queue in queues), default=0) + 2
    rows: list[RenderableType] = []
    for queue in queues:
        line = Text(f"{queue.name:<{name}}", style="bold")
        drawn = bar(queue.depth, longest)
        for urgency, cells in drawn:
            glyph, style = LOOKS[urgency]
            line.append(glyph * cells, Style.parse(style))
        line.append(" " * (BAR + 2 - sum(cells for _, cells in drawn)))
        line.append_text(_facts(queue))
        rows.append(_cut(line, width))
    return rows or [Text("no queues yet", style=DIM)]


def _facts(queue: QueueView) -> Text:
    facts = Text(style="not bold")
    if queue.waiting and queue.oldest_seconds is not None:
        facts.append(f"{queue.waiting} wait, oldest {span(queue.oldest_seconds)}", "default")
        if queue.overdue:
            facts.append(f", {queue.overdue} late", "red")
    else:
        facts.append("nobody waits", DIM)
    agents = [(queue.available, "free"), (queue.at_capacity, "full"), (queue.away, "away")]
    told = " ".join(f"{number} {name}" for number, name in agents if number)
    facts.append(f"  agents: {told or 'none'}", DIM)
    return facts


def _post(post: PostView, snapshot: Snapshot, width: int) -> list[Text]:
    age = span((snapshot.now - post.posted_at).total_seconds())
    first = Text(f"{age:>8}  ", style=DIM)
    first.append(f"@{post.author}", "bold")
    first.append(f" to {post.handle}  ", DIM)
    first.append(post.text)
    glyph, style = LOOKS.get(post.urgency, ("?", DIM))
    second = Text(" " * 10)
    second.append(f"{glyph} {post.urgency or 'unknown'}", Style.parse(style))
    if post.reasons:
        second.append(f": {', '.join(post.reasons)}", Style.parse(style))
    second.append(f" · {post.intent.replace('_', ' ')} · {post.language} ", DIM)
    second.append("→ ", DIM)
    second.append(post.fate, "green" if "answered" in post.fate else "default")
    return [_cut(first, width), _cut(second, width)]


def _answer(answer: AnswerView, width: int) -> list[Text]:
    first = Text(" " * 10)
    first.append(f"@{answer.author}", "bold")
    first.append(f" to {answer.handle}  ", DIM)
    first.append(answer.question)
    second = Text(" " * 10)
    second.append(f"{answer.agent} after {span(answer.took_seconds)}", "green")
    second.append("  ")
    second.append(answer.text)
    return [_cut(first, width), _cut(second, width)]


def _cut(line: Text, width: int) -> Text:
    line.truncate(width, overflow="ellipsis")
    return line


def _agents(agents: Sequence[AgentView], width: int) -> list[Text]:
    """Two columns of what each agent does."""
    lines = []
    half = (width - 2) // 2
    for pair in zip(agents[::2], [*agents[1::2], None] if len(agents) % 2 else agents[1::2], strict=True):
        line = Text()
        for agent in pair:
            if agent is not None:
                cell = Text()
                cell.append("● " if agent.presence == "available" else "○ ", "green" if agent.doing else DIM)
                cell.append(f"{agent.slug:<7}", "bold")
                cell.append(agent.doing or "waits for the next one", "default" if agent.doing else DIM)
                cell.truncate(half, overflow="ellipsis", pad=True)
                line.append_text(cell).append("  ")
        line.rstrip()
        lines.append(line)
    return lines


def _footer(snapshot: Snapshot, width: int) -> Text:
    if snapshot.problem:
        return _cut(Text(snapshot.problem, style="red"), width)
    latency = snapshot.latency
    left = Text()
    if latency.p50_seconds is not None and latency.p90_seconds is not None:
        left.append(f"answered after p50 {span(latency.p50_seconds)}, p90 {span(latency.p90_seconds)}", "bold")
    else:
        left.append("nothing is answered yet")
    left.append(f"  {latency.answered} answered", DIM)
    for name, number in snapshot.counts.items():
        left.append(f"  {number} {name}", DIM)
    return _ends(left, Text("Ctrl-C stops", style=DIM), width)


def _ends(left: Text, right: Text, width: int) -> Text:
    gap = max(2, width - left.cell_len - right.cell_len)
    line = Text.assemble(left, " " * gap, right)
    return _cut(line, width)


def plain(snapshot: Snapshot) -> list[str]:
    """The same in a few lines, where there is no terminal."""
    queues = ", ".join(f"{queue.name} {queue.total}" for queue in snapshot.queues)
    latency = snapshot.latency
    if latency.p50_seconds is None or latency.p90_seconds is None:
        took = "no answer yet"
    else:
        took = f"answered after p50 {span(latency.p50_seconds)}, p90 {span(latency.p90_seconds)}"
    counts = ", ".join(f"{number} {name}" for name, number in snapshot.counts.items())
    lines = [f"{snapshot.now:%H:%M:%S}  {queues or 'no queues yet'}; {took}, {latency.answered} answered; {counts}"]
    lines += [
        f"  @{post.author} to {post.handle}: {post.text} -> {post.urgency}, {post.fate}" for post in snapshot.posts[:1]
    ]
    lines += [f"  {each.agent} to @{each.author}: {each.text}" for each in snapshot.answers[:1]]
    return [*lines, f"  {snapshot.problem}"] if snapshot.problem else lines
