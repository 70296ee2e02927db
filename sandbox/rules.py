"""X's rule language, the useful part: what a stream's rules and a search's query let through."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.posts import Post
from sandbox.state import Network
from sandbox.text import CASHTAG, HASHTAG, URL, mentioned

LONGEST_RULE = 1_024
LONGEST_QUERY = 512
MOST_APART = 6  # words between those of "a b"~N


class InvalidRule(ValueError):
    """The rule cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What rules ask of a post; names in lower case."""

    text: str
    author: frozenset[str]  # name and id
    mentions: frozenset[str]
    hashtags: frozenset[str]
    cashtags: frozenset[str]
    urls: str
    answered: frozenset[str]  # name and id of whom it answers
    in_reply_to: str
    conversation_id: str
    quotes: str
    lang: str = "und"


Test = Callable[[Seen], bool]


@dataclass(frozen=True, slots=True)
class _Term:
    """A test; `standalone`: it may be a rule by itself."""

    test: Test
    standalone: bool


def seen(network: Network, post: Post, *, with_quoted: bool) -> Seen:
    """A post as rules see it. Streams also look at the text that is quoted, searches do not."""
    parent = network.posts.get(post.in_reply_to)
    quoted = network.posts.get(post.quotes) if with_quoted else None
    text = f"{post.text}\n{quoted.text}" if quoted else post.text
    return Seen(
        text=text,
        author=frozenset({post.username.lower(), post.author_id}),
        mentions=frozenset(mentioned(text)),
        hashtags=frozenset(each.lower() for each in HASHTAG.findall(text)),
        cashtags=frozenset(each.lower() for each in CASHTAG.findall(text)),
        urls=" ".join(URL.findall(text)).lower(),
        answered=frozenset({parent.username.lower(), parent.author_id}) if parent else frozenset(),
        in_reply_to=post.in_reply_to,
        conversation_id=post.conversation_id,
        quotes=post.quotes,
    )


def parse(value: str, *, longest: int = LONGEST_RULE) -> Test:
    """The test a rule stands for. A space is AND and binds tighter than OR; `-` negates one term.

    Raises:
        InvalidRule: it cannot be used.
    """
    if not value.strip():
        raise InvalidRule("the rule is empty")
    if len(value) > longest:
        raise InvalidRule(f"the rule has {len(value)} characters, {longest} are allowed")
    tokens = _tokens(value)
    found = _any(tokens)
    if tokens:
        raise InvalidRule("a bracket is closed that was never opened")
    if not found.standalone:
        raise InvalidRule("a rule needs a term that can stand alone and is not negated, in each alternative")
    return found.test


_TOKEN = re.compile(r'-?"[^"]*"(?:~\d+)?|-?\(|\)|-?[a-z_]+:"[^"]*"|[^\s()"]+')


def _tokens(value: str) -> list[str]:
    if value.count('"') % 2:
        raise InvalidRule("a quotation mark is missing")
    return list(reversed(_TOKEN.findall(value)))  # the next one is at the end


def _any(tokens: list[str]) -> _Term:
    alternatives = [_all(tokens)]
    while tokens and tokens[-1] == "OR":
        tokens.pop()
        alternatives.append(_all(tokens))
    if len(alternatives) == 1:
        return alternatives[0]
    return _Term(lambda post: any(each.test(post) for each in alternatives), all(e.standalone for e in alternatives))


def _all(tokens: list[str]) -> _Term:
    terms = []
    while tokens and tokens[-1] not in ("OR", ")"):
        terms.append(_term(tokens))
    if not terms:
        raise InvalidRule("a term is missing beside OR or between brackets")
    return _Term(lambda post: all(each.test(post) for each in terms), any(each.standalone for each in terms))


def _term(tokens: list[str]) -> _Term:
    token = tokens.pop()
    if token == "-(":  # noqa: S105
        raise InvalidRule("a group cannot be negated")
    if token == "(":  # noqa: S105
        group = _any(tokens)
        if not tokens or tokens.pop() != ")":
            raise InvalidRule("a bracket is not closed")
        return group
    if not token.startswith("-"):
        return _operator(token)
    if token.startswith("-sample:"):
        raise InvalidRule("sample: cannot be negated")
    term = _operator(token[1:])
    return _Term(lambda post: not term.test(post), False)


def _operator(token: str) -> _Term:
    name, colon, value = token.partition(":")
    value = value.strip('"').lower()
    if colon and re.fullmatch("[a-z_]+", name) and not value.startswith("//"):
        if name in ("is", "has") and f"{name}:{value}" in _KINDS:
            return _Term(_KINDS[f"{name}:{value}"], False)
        if name in _WITH_VALUE and value:
            return _Term(_bound(_WITH_VALUE[name], value), name not in ("lang", "sample"))
        raise InvalidRule(f"{token} is no operator this network has")
    if token.startswith('"'):
        return _Term(_phrase(token), True)
    sign, word = token[:1], token[1:].lower()
    if sign in _SIGNS and word:
        return _Term(_bound(_SIGNS[sign], word), True)
    return _Term(_words([token], 0), True)


def _bound(ask: Callable[[Seen, str], bool], value: str) -> Test:
    return lambda post: ask(post, value)


def _phrase(token: str) -> Test:
    phrase, _, apart = token[1:].rpartition('"')
    if apart and int(apart[1:]) > MOST_APART:
        raise InvalidRule(f"at most {MOST_APART} words may stand between")
    words = phrase.split()
    if not words:
        raise InvalidRule("the phrase is empty")
    if not apart:
        return _words([phrase.strip()], 0)
    one, other = _words(words, int(apart[1:])), _words(words[::-1], int(apart[1:]))
    return lambda post: one(post) or other(post)


def _words(words: list[str], apart: int) -> Test:
    """These, whole and in this order, with so many others between them."""
    between = rf"\W+(?:\w+\W+){{0,{apart}}}"
    pattern = re.compile(rf"(?<!\w){between.join(map(re.escape, words))}(?!\w)", re.IGNORECASE)
    return lambda post: pattern.search(post.text) is not None


_SIGNS: Mapping[str, Callable[[Seen, str], bool]] = {
    "@": lambda post, name: name in post.mentions,
    "#": lambda post, tag: tag in post.hashtags,
    "$": lambda post, tag: tag in post.cashtags,
}
_WITH_VALUE: Mapping[str, Callable[[Seen, str], bool]] = {
    "from": lambda post, who: who.removeprefix("@") in post.author,
    "to": lambda post, who: who.removeprefix("@") in post.answered,
    "url": lambda post, part: part in post.urls,
    "conversation_id": lambda post, id_: id_ == post.conversation_id,
    "in_reply_to_tweet_id": lambda post, id_: id_ == post.in_reply_to,
    "retweets_of": lambda _post, _who: False,  # nobody repeats a post here
    "lang": lambda post, language: language == post.lang,
    "sample": lambda _post, _percent: True,
}
_KINDS: Mapping[str, Test] = {
    "is:retweet": lambda _post: False,
    "is:reply": lambda post: bool(post.in_reply_to),
    "is:quote": lambda post: bool(post.quotes),
    "is:verified": lambda _post: False,
    "is:nullcast": lambda _post: False,
    "has:links": lambda post: bool(post.urls),
    "has:mentions": lambda post: bool(post.mentions),
    "has:hashtags": lambda post: bool(post.hashtags),
    "has:media": lambda _post: False,
    "has:images": lambda _post: False,
    "has:geo": lambda _post: False,
}
