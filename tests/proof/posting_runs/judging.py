"""What the responder calls posted beside what the network counted, both ways; pure arithmetic."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.proof.posting_runs.fates import Fate
from tests.proof.routing.verdict import Verdict

FINAL = ("posted", "refused", "manual_required", "needs_human")
NEVER_OUT = ("refused", "manual_required", "canceled", "queued", "draft")


@dataclass(frozen=True)
class Run:
    """One reply to one mention, as it was asked for."""

    reply_id: str
    mention: str
    text: str
    fate: Fate
    struck: bool = False  # a responder was killed or frozen while it was under way


@dataclass(frozen=True)
class Row:
    """One reply in the responder's table."""

    id: str
    state: str
    mention: str
    post_id: str | None
    unknown_since: datetime | None
    updated_at: datetime


@dataclass(frozen=True)
class Post:
    """One of ours on the network."""

    id: str
    mention: str
    text: str


def judge(
    runs: Sequence[Run], rows: Sequence[Row], posts: Sequence[Post], told: Mapping[str, str], give_up: timedelta
) -> list[Verdict]:
    """Every promise, with the cases in which it was broken.

    Args:
        posts: all that the network holds of ours.
        told: the post's id by the reply's, as the responder told on Kafka.
        give_up: how long nobody may know before a person has to.
    """
    return [
        _asked(runs, rows),
        _doubles(posts),
        _posted_is_there(runs, rows, posts),
        _there_is_posted(rows, posts),
        _not_out(rows, posts),
        _told(rows, told),
        *_ends(runs, rows, give_up),
    ]


def _asked(runs: Sequence[Run], rows: Sequence[Row]) -> Verdict:
    verdict = Verdict("every reply that was acknowledged is kept, and no other")
    kept, asked = {row.id for row in rows}, {run.reply_id for run in runs}
    for id_ in kept | asked:
        verdict.look(id_ in kept and id_ in asked, f"{id_}: kept {id_ in kept}, asked for {id_ in asked}")
    if len(asked) != len(runs):
        verdict.breaks("two runs were answered with one reply")
    return verdict


def _doubles(posts: Sequence[Post]) -> Verdict:
    verdict = Verdict("at most one post for each mention and for each text")
    by_mention, by_text = Counter(post.mention for post in posts), Counter(_words(post) for post in posts)
    for mention, n in by_mention.items():
        verdict.look(n == 1, f"{n} posts answer {mention}")
    for text, n in by_text.items():
        verdict.look(n == 1, f"{n} posts say {text!r}")
    return verdict


def _posted_is_there(runs: Sequence[Run], rows: Sequence[Row], posts: Sequence[Post]) -> Verdict:
    verdict = Verdict("what is posted is on the network, under that id, with its words")
    there, asked = {post.id: post for post in posts}, {run.reply_id: run for run in runs}
    for row in rows:
        if row.state == "posted":
            post, run = there.get(row.post_id or ""), asked.get(row.id)
            same = post and run and post.mention == row.mention == run.mention and _words(post) == run.text
            verdict.look(bool(same), f"{row.id} is posted as {row.post_id}: {post}")
    return verdict


def _there_is_posted(rows: Sequence[Row], posts: Sequence[Post]) -> Verdict:
    verdict = Verdict("what is on the network is a posted reply, or a person is told that we don't know")
    known = {row.post_id for row in rows if row.state == "posted"}
    doubtful = {row.mention for row in rows if row.state == "needs_human"}
    for post in posts:
        verdict.look(post.id in known or post.mention in doubtful, f"{post.id} answers {post.mention}: nobody's")
    return verdict


def _not_out(rows: Sequence[Row], posts: Sequence[Post]) -> Verdict:
    verdict = Verdict("what is refused, or a person's to post, is not on the network")
    answered = {post.mention for post in posts}
    for row in rows:
        if row.state in NEVER_OUT:
            verdict.look(row.mention not in answered, f"{row.id} is {row.state}, and the network holds it")
    return verdict


def _told(rows: Sequence[Row], told: Mapping[str, str]) -> Verdict:
    verdict = Verdict("what is posted was told, and nothing else")
    posted = {row.id: row.post_id for row in rows if row.state == "posted"}
    for id_ in posted.keys() | told.keys():
        verdict.look(posted.get(id_) == told.get(id_), f"{id_}: posted {posted.get(id_)}, told {told.get(id_)}")
    return verdict


def _ends(runs: Sequence[Run], rows: Sequence[Row], give_up: timedelta) -> Iterator[Verdict]:
    settled = Verdict("every reply came to an end")
    legal = Verdict("it ended as the network made it end")
    honest = Verdict("a person is asked only where nobody knew, and no sooner than agreed")
    by_id = {row.id: row for row in rows}
    for run in runs:
        row = by_id.get(run.reply_id)
        if row is None:
            continue
        settled.look(row.state in FINAL, f"{row.id} is still {row.state} ({run.fate.name})")
        if row.state == "needs_human":
            waited = row.updated_at - row.unknown_since if row.unknown_since else timedelta()
            honest.look(
                (run.fate.doubtful or run.struck) and waited >= give_up, f"{row.id}: {run.fate.name}, after {waited}"
            )
        elif row.state in FINAL:
            unheard = row.unknown_since is not None  # what the network first said; then it was sent again
            again = unheard and row.state == "posted" and run.fate.end != "needs_human"
            legal.look(row.state == run.fate.end or again, f"{row.id} is {row.state}: {run.fate.name}")
    yield from (settled, legal, honest)


def _words(post: Post) -> str:
    """Without the name that the network puts in front."""
    return post.text.partition(" ")[2] if post.text.startswith("@") else post.text
