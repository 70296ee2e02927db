"""The hashed pass: code points in, tokens and the buckets of their parts out.

Written once; `compiled.py` says how it becomes machine code. All arithmetic is on integers below 2**63, so that
machine code and plain Python give the same bits.
"""

import numpy as np
from numpy.typing import NDArray

from services.classifier.domain.compiled import compiled
from services.classifier.domain.text import (
    APOSTROPHE,
    DIGIT,
    EMOJI,
    LETTER,
    LONGEST,
    MARK,
    SKIP,
    UPPER,
)

BUCKETS = 1 << 17
MASK = BUCKETS - 1
MOST_TOKENS = 512
MOST_WORDS = 2 * MOST_TOKENS + 8  # each token, each pair, and the marks of the whole
MOST_PARTS = 4 * (LONGEST + MOST_TOKENS)
LONGEST_TOKEN = 40

# Tokens that stand for what they replace: code points of a private area.
URL, AT, AT_FIRST, HASH, MAIL = 0xE001, 0xE002, 0xE003, 0xE004, 0xE005
LOUD, PUZZLED, UNSAID, HAPPY, SAD, WINK, HEART = 0xE006, 0xE007, 0xE008, 0xE009, 0xE00A, 0xE00B, 0xE00C

_PRIME = 16777619
_SEED = 2166136261
_LOW = 0xFFFFFFFF

Ints = NDArray[np.int64]


class Scratch:
    """Room for one text at a time."""

    def __init__(self) -> None:
        room = LONGEST + LONGEST_TOKEN + MOST_TOKENS
        self.low = np.zeros(room, np.int64)
        self.bare = np.zeros(room, np.int64)
        self.ends = np.zeros(MOST_TOKENS, np.int64)
        self.shapes = np.zeros(MOST_TOKENS, np.int64)
        self.hashes = np.zeros(MOST_TOKENS, np.int64)
        self.words = np.zeros(MOST_WORDS, np.int32)
        self.parts = np.zeros(MOST_PARTS, np.int32)


@compiled
def split(
    codes: NDArray[np.uint32],
    begin: int,
    end: int,
    kinds: NDArray[np.uint8],
    lower: Ints,
    bare: Ints,
    out_low: Ints,
    out_bare: Ints,
    ends: Ints,
    shapes: Ints,
) -> int:
    """Cut a text into words and signs.

    Lower case, runs of a letter squeezed to two, digits to 0 (runs to four); addresses, handles and emoticons
    become one sign; `don't` is `dont`, `l'appli` is `l appli`; a hashtag is a sign and its words, cut at capitals.

    Args:
        codes: code points of all texts; this one is `codes[begin:end]`.
        out_low, out_bare: what the tokens are made of, with accents and without.
        ends: where each token ends in them; it begins where the one before ends.
        shapes: 0 a sign, 1 a word, 2 a word of three letters or more in capitals.

    Returns:
        How many tokens.
    """
    table = len(lower)
    most = len(ends)
    room = len(out_low) - LONGEST_TOKEN - 2
    i = begin
    n = 0
    at = 0
    in_hashtag = False
    while i < end and n < most and at < room:
        c = int(codes[i])
        kind = int(kinds[c]) if c < table else LETTER
        if c >= table:
            if 0x1F000 <= c <= 0x1FAFF:
                kind = SKIP if 0x1F3FB <= c <= 0x1F3FF else EMOJI
            elif 0xD800 <= c <= 0xF8FF or 0xFE00 <= c <= 0xFE0F or c >= 0xE0000 or c == 0xFEFF or c == 0xFFFD:
                kind = SKIP
        sign = 0
        if kind == SKIP:
            i += 1
            continue
        low = int(lower[c]) if c < table else c
        if low == 104 or low == 119:  # h, w: does an address begin?
            is_url = False
            if i + 7 < end and low == 104 and int(codes[i + 4]) in (58, 115, 83):
                is_url = (
                    (int(codes[i + 1]) | 32) == 116
                    and (int(codes[i + 2]) | 32) == 116
                    and (int(codes[i + 3]) | 32) == 112
                    and (int(codes[i + 5]) == 47 or int(codes[i + 6]) == 47)
                )
            elif i + 4 < end and low == 119:
                is_url = (int(codes[i + 1]) | 32) == 119 and (int(codes[i + 2]) | 32) == 119 and int(codes[i + 3]) == 46
            if is_url:
                while i < end and int(codes[i]) > 32 and int(codes[i]) != 0xA0:
                    i += 1
                sign = URL
        if sign == 0 and LETTER <= kind <= UPPER:
            start = at
            letters = 0
            capitals = 0
            before = -1
            while i < end and at - start < LONGEST_TOKEN:
                c = int(codes[i])
                kind = LETTER
                if c < table:
                    kind = int(kinds[c])
                elif 0x1F000 <= c <= 0x1FAFF:
                    kind = EMOJI
                elif 0xD800 <= c <= 0xF8FF or 0xFE00 <= c <= 0xFE0F or c >= 0xE0000 or c == 0xFEFF or c == 0xFFFD:
                    kind = SKIP
                if kind == SKIP:
                    i += 1
                    continue
                if kind == APOSTROPHE:
                    r1 = 0
                    r2 = 0
                    after = 0
                    if i + 1 < end and int(codes[i + 1]) < table:
                        r1 = int(lower[int(codes[i + 1])])
                    if i + 2 < end and int(codes[i + 2]) < table and LETTER <= int(kinds[int(codes[i + 2])]) <= UPPER:
                        r2 = int(lower[int(codes[i + 2])])
                    if i + 3 < end and int(codes[i + 3]) < table and LETTER <= int(kinds[int(codes[i + 3])]) <= UPPER:
                        after = 1
                    short = (r1 == 116 or r1 == 115 or r1 == 109 or r1 == 100) and r2 == 0
                    two = (
                        (r1 == 108 and r2 == 108) or (r1 == 114 and r2 == 101) or (r1 == 118 and r2 == 101)
                    ) and after == 0
                    if short or two:
                        i += 1
                        continue
                    i += 1
                    break
                if not LETTER <= kind <= UPPER:
                    break
                if in_hashtag and kind == UPPER and before == LETTER:
                    break
                low = int(lower[c]) if c < table else c
                plain = int(bare[c]) if c < table else c
                allowed = 2
                if kind == DIGIT:
                    low = 48
                    plain = 48
                    allowed = 4
                else:
                    letters += 1
                    if kind == UPPER:
                        capitals += 1
                before = kind
                i += 1
                if at - start >= allowed and int(out_low[at - 1]) == low:
                    same = True
                    for back in range(2, allowed + 1):
                        if int(out_low[at - back]) != low:
                            same = False
                    if same:
                        continue
                out_low[at] = low
                out_bare[at] = plain
                at += 1
            if in_hashtag and i < end and int(codes[i]) < table and not LETTER <= int(kinds[int(codes[i])]) <= UPPER:
                in_hashtag = False
            if at > start:
                ends[n] = at
                shapes[n] = 2 if letters >= 3 and capitals == letters else 1
                n += 1
            continue
        in_hashtag = False
        if sign == 0:
            follows = int(codes[i + 1]) if i + 1 < end else 32
            kind_after = LETTER if follows >= table else int(kinds[follows])
            is_word_after = LETTER <= kind_after <= UPPER
            if kind == EMOJI:
                sign = c
                i += 1
            elif c == 64 and is_word_after:  # @
                behind = int(codes[i - 1]) if i > begin else 32
                sign = AT if n > 0 else AT_FIRST
                if behind < table and LETTER <= int(kinds[behind]) <= UPPER:
                    sign = MAIL
                i += 1
                while i < end and int(codes[i]) > 32:
                    c = int(codes[i])
                    inside = c >= table or LETTER <= int(kinds[c]) <= UPPER
                    joint = (c == 46 or c == 64 or c == 45) and i + 1 < end
                    if joint:
                        nxt = int(codes[i + 1])
                        joint = nxt < table and LETTER <= int(kinds[nxt]) <= UPPER
                    if not (inside or joint):
                        break
                    i += 1
            elif c == 35 and is_word_after:  # '#'
                sign = HASH
                in_hashtag = True
                i += 1
            elif kind == MARK:
                if c == 58 or c == 59 or c == 61:  # ':' ';' '=': an emoticon?
                    j = i + 1
                    if j < end and (int(codes[j]) == 45 or int(codes[j]) == 39):
                        j += 1
                    mouth = int(codes[j]) if j < end else 32
                    if mouth == 41 or mouth == 68 or mouth == 93 or mouth == 80 or mouth == 112:
                        sign = WINK if c == 59 else HAPPY
                    elif mouth == 40 or mouth == 91 or mouth == 47 or mouth == 92 or mouth == 124:
                        sign = SAD
                    i = j + 1 if sign != 0 else i + 1
                elif c == 60 and follows == 51:  # <3
                    sign = HEART
                    i += 2
                elif c == 33 or c == 63:  # ! ?
                    loud = 0
                    asked = 0
                    while i < end and (int(codes[i]) == 33 or int(codes[i]) == 63 or int(codes[i]) == 32):
                        if int(codes[i]) == 32 and not (i + 1 < end and int(codes[i + 1]) in (33, 63)):
                            break
                        loud += 1 if int(codes[i]) == 33 else 0
                        asked += 1 if int(codes[i]) == 63 else 0
                        i += 1
                    sign = 33 if loud == 1 else LOUD
                    if asked > 0:
                        sign = 63 if asked == 1 and loud == 0 else PUZZLED
                elif c == 46 and follows == 46:
                    while i < end and int(codes[i]) == 46:
                        i += 1
                    sign = UNSAID
                else:
                    if c == 36 or c == 37 or c == 34 or c == 163 or c == 0x20AC:  # $ % " £ €
                        sign = c
                    elif c == 171 or c == 187:  # « »
                        sign = 34
                    i += 1
            else:
                i += 1
        if sign != 0 and n < most:
            out_low[at] = sign
            out_bare[at] = sign
            at += 1
            ends[n] = at
            shapes[n] = 0
            n += 1
    return n


@compiled
def hash_tokens(n: int, bare: Ints, ends: Ints, hashes: Ints) -> None:
    """One number below 2**32 for each token, without its accents: what phrases and pairs are made of."""
    start = 0
    for t in range(n):
        h = _SEED
        for i in range(start, int(ends[t])):
            h = ((h ^ int(bare[i])) * _PRIME) & _LOW
        hashes[t] = h
        start = int(ends[t])


@compiled
def buckets(
    n: int,
    low: Ints,
    ends: Ints,
    shapes: Ints,
    hashes: Ints,
    mask: int,
    words: NDArray[np.int32],
    parts: NDArray[np.int32],
) -> tuple[int, int]:
    """The buckets of a text: its words and pairs of words, and its runs of two to five letters in a word.

    Returns:
        How many of each.
    """
    w = 0
    p = 0
    start = 0
    previous = 7
    capitals = 0
    for t in range(n + 1):
        h = int(hashes[t]) if t < n else 11
        pair = ((previous * 31 + h) * _PRIME) & _LOW
        pair = ((pair ^ (pair >> 15)) * 0x2C1B3C6D) & _LOW
        words[w] = (pair ^ (pair >> 13)) & mask
        w += 1
        previous = h
        if t == n:
            break
        h = ((h ^ (h >> 15)) * 0x2C1B3C6D) & _LOW
        words[w] = (h ^ (h >> 13)) & mask
        w += 1
        stop = int(ends[t])
        if shapes[t] != 0:
            capitals += 1 if shapes[t] == 2 else 0
            length = stop - start
            for first in range(-1, length):
                h = 0x51ED27 if first < 0 else ((0x9E3779 ^ int(low[start + first])) * _PRIME) & _LOW
                for last in range(first + 1, min(first + 5, length + 1)):
                    c = int(low[start + last]) if last < length else 3
                    h = ((h ^ c) * _PRIME) & _LOW
                    if not (last == length and first == length - 1 and length > 1):
                        mixed = ((h ^ (h >> 15)) * 0x2C1B3C6D) & _LOW
                        parts[p] = (mixed ^ (mixed >> 12)) & mask
                        p += 1
        start = stop
    size = 0  # how long, and how loud: 0, 1, 2-3, 4 or more words in capitals
    while size < 6 and (3 << size) < n:
        size += 1
    words[w] = (size * 7919 + 17) & mask
    words[w + 1] = (min(capitals, 4) * 104729 + 29) & mask
    return w + 2, p
