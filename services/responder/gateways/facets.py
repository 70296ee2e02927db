"""Bluesky's rich text: what in a text is a link, a mention or a tag, by its place in UTF-8 bytes."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from services.responder.domain.links import links

_HANDLE = re.compile(r"(?<![\w@])@((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?)", re.I)
_TAG = re.compile(r"(?<!\S)#([^\s#.,;:!?()\[\]\"'«»]{1,64})")


def handles(text: str) -> list[str]:
    """The handles a text mentions, without the @, each once."""
    return list(dict.fromkeys(found[1].lower() for found in _HANDLE.finditer(text)))


def facets(text: str, dids: Mapping[str, str]) -> list[dict[str, Any]]:
    """The facets of a text in their order.

    Args:
        dids: of the handles that exist; the others stay plain text.
    """
    return [
        {
            "index": {"byteStart": len(text[:start].encode()), "byteEnd": len(text[:end].encode())},
            "features": [feature],
        }
        for start, end, feature in sorted(_features(text, dids), key=lambda each: each[:2])
    ]


def _features(text: str, dids: Mapping[str, str]) -> Iterator[tuple[int, int, dict[str, str]]]:
    for start, end in links(text):
        uri = text[start:end]
        whole = uri if re.match("https?://", uri, re.IGNORECASE) else f"https://{uri}"
        yield start, end, {"$type": "app.bsky.richtext.facet#link", "uri": whole}
    for found in _HANDLE.finditer(text):
        if did := dids.get(found[1].lower()):
            yield found.start(), found.end(), {"$type": "app.bsky.richtext.facet#mention", "did": did}
    for found in _TAG.finditer(text):
        if not found[1].isdecimal():
            yield found.start(), found.end(), {"$type": "app.bsky.richtext.facet#tag", "tag": found[1]}
