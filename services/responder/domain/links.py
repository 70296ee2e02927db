"""Which parts of a text a network makes a link of, and counts as one."""

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from publicsuffixlist import PublicSuffixList

Span = tuple[int, int]
"""From a code point (included) to another (not included)."""

MOST_URL = 4096  # characters
MOST_SLUG = 40  # of t.co
MOST_LABEL = 63  # RFC 1035, section 2.3.4
_LONGEST_TLD = 24  # of those in other scripts, as they are written

_INVALID = "\ufffe\ufeff\uffff"
_DIRECTIONAL = "\u202a-\u202e\u061c\u200e\u200f\u2066-\u2069"
_SPACES = "\t-\r \x85\xa0\u1680\u180e\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_PUNCTUATION = r"!'#%&()*+,\\\-./:;<=>?@\[\]^_{|}~$"
_LATIN = (
    "\xc0-\xd6\xd8-\xf6\xf8-\xff\u0100-\u024f\u0253\u0254\u0256\u0257\u0259\u025b\u0263\u0268\u026f\u0272\u0289\u028b"
    "\u02bb\u0300-\u036f\u1e00-\u1eff"
)
_PATH = rf"a-z\u0400-\u04ff0-9!*';:=+,.$/%#\[\]\-\u2013_~@|&{_LATIN}"
_PATH_END = rf"+\-a-z\u0400-\u04ff0-9=_#/{_LATIN}"

# A label's length is bounded, so that a long text without spaces is not read again from each of its characters.
_C = rf"[^{_PUNCTUATION}{_SPACES}{_INVALID}{_DIRECTIONAL}]{{1,{MOST_LABEL}}}+"
_LABEL = rf"{_C}(?:[_-]{{1,{MOST_LABEL}}}+{_C}){{0,31}}+\."
_LINK = re.compile(rf"(?<![A-Za-z0-9@＠$#＃{_INVALID}])(https?://)?((?:{_LABEL}){{1,127}}+)", re.I)
_ASCII_HOST = re.compile(rf"(?:[-a-z0-9{_LATIN}]{{1,{MOST_LABEL}}}\.)+", re.I)
_ASCII_TLD = re.compile(r"xn--[-0-9a-z]+|[0-9a-z]+", re.I)
_IN_BRACKETS = rf"\((?:[{_PATH}]++|[{_PATH}]*+\([{_PATH}]++\)[{_PATH}]*+)\)"
_NOT_BEFORE_A_NAME = ("-", "_", ".", "/")
_PORT = re.compile(r":[0-9]+")
_REST = re.compile(rf"/(?:(?:[{_PATH}]|{_IN_BRACKETS})*(?:[{_PATH_END}]|{_IN_BRACKETS}))?", re.I)
_QUERY = re.compile(r"\?[a-z0-9!?*'@();:&=+$/%#\[\]\-_.,~|]*[a-z0-9\-_&=#/]", re.I)
_T_CO = re.compile(rf"https?://t\.co/([a-z0-9]+)(?:{_QUERY.pattern})?", re.I)


def links(text: str, *, without_scheme: bool = True) -> Iterator[Span]:
    """The links in a text, in their order: what has a scheme, and names such as `example.com` that have none.

    A name needs a top-level domain that exists, so that `tar.bz2` and `http://localhost` are no links; behind
    `@`, `#`, `$`, a letter or a digit nothing is.
    Source: twitter-text 3.1, extractUrlsWithIndices. Older versions left `it.so` alone when no path followed; this
    one does not.

    Args:
        text: in NFC, as the networks look at it.
        without_scheme: X links `example.com`, Mastodon does not.
    """
    at = 0
    # After a link there is a character that belongs to none before the next one.
    while text.find(".", at) >= 0 and (found := _LINK.search(text, at + 1 if at else 0)):
        scheme, hosts = found[1], found.span(2)
        domain_end = _domain_end(text, *hosts)
        if domain_end is None:
            at = hosts[1] - 1  # none of its dots is before a top-level domain: it is none from further on either
            continue
        path_at = port[1] if (port := _span(_PORT, text, domain_end)) else domain_end
        path = _span(_REST, text, path_at)
        end = path[1] if path else path_at
        end = query[1] if (query := _span(_QUERY, text, end)) else end
        at = end
        if scheme:
            link = _whole(text, found.start(), hosts[0], domain_end, end)
            if link is not None:
                yield link
        elif without_scheme and text[max(0, found.start() - 1) : found.start()] not in _NOT_BEFORE_A_NAME:
            names = list(_ascii_names(text, hosts[0], domain_end))
            if names and path:
                names[-1] = names[-1][0], end
            yield from names


def _whole(text: str, start: int, host: int, host_end: int, end: int) -> Span | None:
    """A link with a scheme; one of t.co ends with its slug, whatever follows."""
    if short := _T_CO.match(text, start, end):
        return (start, short.end()) if len(short[1]) <= MOST_SLUG else None
    encoded = [_encoded(label) for label in text[host:host_end].split(".")]
    if any(length is None or length > MOST_LABEL for length in encoded):
        return None
    longer = sum(length or 0 for length in encoded) + len(encoded) - 1 - (host_end - host)
    return (start, end) if end - start + longer <= MOST_URL else None


def _encoded(label: str) -> int | None:
    """How long a label is in the domain name system; None: no label at all."""
    if label.isascii():
        return len(label)
    if label[:4].lower() == "xn--":
        return None
    return 4 + len(label.encode("punycode", "replace"))


def _ascii_names(text: str, start: int, end: int) -> Iterator[Span]:
    """The names in Latin letters within a name without scheme: `日本語example.com` has one."""
    while found := _ASCII_HOST.search(text, start, end):
        name_end = _domain_end(text, found.start(), found.end(), end, names_only=False)
        if name_end is not None:
            yield found.start(), name_end
        start = name_end or found.end()


def _domain_end(text: str, start: int, end: int, stop: int | None = None, *, names_only: bool = True) -> int | None:
    """Where the longest domain ends among the labels of text[start:end], each with its dot."""
    while (dot := text.rfind(".", start, end)) > start:
        label = text[max(start, text.rfind(".", start, dot) + 1) : dot]
        if not (names_only and "_" in label):
            tld_end = _tld_end(text, dot + 1)
            if tld_end is not None and (stop is None or tld_end <= stop):
                return tld_end
        end = dot
    return None


def _tld_end(text: str, at: int) -> int | None:
    """Where the top-level domain ends that begins here; None: there is none, or it is the start of a longer word."""
    if found := _ASCII_TLD.match(text, at):
        whole = found.end() == len(text) or text[found.end()] not in "@+-"
        return found.end() if found[0][:4].lower() == "xn--" or (whole and _is_tld(found[0].lower())) else None
    for end in range(min(at + _LONGEST_TLD, len(text)), at, -1):
        follows = text[end : end + 1]
        if (follows and follows.isascii() and (follows.isalnum() or follows in "@+-")) or text[at:end].isascii():
            continue
        if "." not in text[at:end] and _is_tld(text[at:end].lower()):
            return end
    return None


@lru_cache(8192)
def _is_tld(name: str) -> bool:
    return _suffixes().publicsuffix(name, accept_unknown=False) is not None


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList(accept_encoded_idn=False, only_icann=True)


def _span(pattern: re.Pattern[str], text: str, at: int) -> Span | None:
    found = pattern.match(text, at)
    return found.span() if found else None
