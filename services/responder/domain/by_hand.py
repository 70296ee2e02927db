"""Where a person answers by hand: the network's own page for it."""

import re
from urllib.parse import quote

_BLUESKY_POST = re.compile(r"at://([^/]+)/app\.bsky\.feed\.post/([^/]+)")


def answer_url(network: str, post_id: str, text: str, *, private: bool, author_id: str) -> str | None:
    """The page where this text can be posted as an answer, filled in where the network allows it; None: not known.

    Source: X's web intents; Bluesky's web addresses; a Mastodon post's own id is its page.
    """
    if network == "x" and private:
        return f"https://x.com/messages/compose?recipient_id={_part(author_id)}&text={_part(text)}"
    if network == "x":
        return f"https://x.com/intent/post?in_reply_to={_part(post_id)}&text={_part(text)}"
    if network == "bluesky" and (found := _BLUESKY_POST.fullmatch(post_id)):
        return f"https://bsky.app/profile/{_part(found[1])}/post/{_part(found[2])}"
    if network == "mastodon" and post_id.startswith("https://"):
        return post_id
    return None


def _part(text: str) -> str:
    return quote(text, safe="")
