"""How long somebody says they have waited, and how long they say is left: minutes, from French and English text."""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from services.classifier.domain.text import LONGEST

HOUR, DAY, WEEK, MONTH, YEAR = 60, 1_440, 10_080, 43_200, 525_600

_SMALL_EN = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
_SMALL_FR = "un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize"
_NUMBERS = {word: n for words in (_SMALL_EN, _SMALL_FR) for n, word in enumerate(words.split(), 1)} | {
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
    "ninety": 90, "a": 1, "an": 1, "half an": 0.5, "half a": 0.5, "half": 0.5, "three quarters of an": 0.75,
    "a quarter of an": 0.25, "a couple of": 2, "couple of": 2, "une": 1, "dix-sept": 17, "dix-huit": 18,
    "dix-neuf": 19, "vingt": 20, "trente": 30, "quarante": 40, "cinquante": 50, "une demi": 0.5, "une demie": 0.5,
    "demi": 0.5, "demie": 0.5, "trois quarts d'": 0.75, "un quart d'": 0.25,
}  # fmt: skip
_UNITS = {"m": 1, "h": HOUR, "d": DAY, "j": DAY, "w": WEEK, "s": WEEK, "mo": MONTH, "y": YEAR, "a": YEAR}

# Digits, with the units of both languages: people mix them. `1h20` and `1h 20` hold minutes without saying so.
_FIGURES = re.compile(
    r"([0-9](?<![\w.,:/€$£-][0-9])[0-9]{0,2})(?:[.,](\d))?(?:[ -]?"
    r"(?:h(?:ours?|rs?|eures?)?(?: ?(\d\d)(?!\d| ?[%€$£:/h])(?: ?m(?:ins?|n)?)?|,? (?:and |et )?(\d{1,2}) ?m[in]\w*)?"
    r"|(min(?:ute)?s?|mn|days?|jours?|jrs?|weeks?|wks?|semaines?|sem|months?|mois|years?|yrs?|ans?))"
    r"( and a half| et demie?)?(?!\w))"
)
_either = "|".join
_ONES_EN, _ONES_FR = _either(_SMALL_EN.split()[:9]), _either([*_SMALL_FR.split()[:9], "une"])
# In words the unit is looked for first: it is rare, and a few letters before it say how many.
_UNIT_EN = re.compile(r"(min(?:ute)?s?|hours?|hrs?|days?|weeks?|months?)(?: and (?:a (half)|(\d\d?) min\w*))?(?!\w)")
_UNIT_FR = re.compile(
    r"(min(?:ute)?s?|heures?|jours?|semaines?|mois)(?: et (demie?|quart)| (\d\d?)(?! ?[%€$h]))?(?!\w)"
)
_MANY_EN = re.compile(
    rf"\b((?:{_either(_SMALL_EN.split())}|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|ninety|half an?|half"
    rf"|three quarters of an|a quarter of an|(?:a )?couple of|an?)(?:-(?:{_ONES_EN}))?)[ -]$"
)
_MANY_FR = re.compile(
    rf"\b((?:une demie?|trois quarts d'|un quart d'|une|{_either(_SMALL_FR.split())}|dix-(?:sept|huit|neuf)|vingt"
    rf"|trente|quarante|cinquante|demie?)(?:[- ](?:et[- ])?(?:{_ONES_FR}))?)[ -]?$"
)
_LONGEST_NUMBER = 24
_IN_WORDS = (
    ((" hour", " min", " day", " week", " month", "-min", "-hour", "-day", "-week"), _UNIT_EN, _MANY_EN),
    (("heure", " min", " jour", " semaine", " mois", "-min"), _UNIT_FR, _MANY_FR),
)

# No word boundary comes first, so that the search may jump from letter to letter; a blank does the same.
_WAITING = re.compile(
    r"wait|queu|since\b|still\b|delay|nothing\b|stuck\b|ignored\b|attend|attente|patient|poireaut|depuis\b|toujours\b"
    r"|retard| hold\b|hold | late\b| been\b| later\b| now\b| tjrs?\b|[cç]a (?:va )?f[ae]|cela fait\b| line\b"
    r"| on the call|phone\b|en ligne\b|au t[eé]l| file\b| rien\b|sans (?:r[eé]p|nouv)"
    r"|que j[e']|bloqu[eé]|pas de (?:r[eé]p|nouv)"
    r"|aucune (?:r[eé]p|nouv)|no (?:reply|answer|response|news|word|sign)\b"
)
# What makes it another kind of time: still to come, promised, a clock's, a price's, a contract's, a person's age.
_OTHER_BEFORE = re.compile(
    r"(?:\b(?:in|within|every|each|per|next|another|under|(?<!delayed )by|at|until|till|before|takes?|lasts?|dans|ds"
    r"|sous|toute?s les|chaque|par|d'ici|avant|vers|jusqu'[aà]|prochaine?s|encore|pendant les|il est|le"
    r"|(?:enceinte|b[eé]b[eé]|fille|fils|s(?:œ|oe)ur|fr[eè]re) de|entre|moins de|dure"
    r"|pour|[aà]|d[eè]s|max|maximum|open|ouverte?s?|valid|valable|promised?|promis|said|you say|dit|annonc[eé]e?s?"
    r"|les|the first|first|premiers?|garanti)|[<@]) ?$"
)
_OTHER_NEAR = re.compile(
    r"\b(?:contra[ct]t?|warranty|guarantee|garantie|engagement|abonnement|subscription|trial|essai|film|movie|episode"
    r"|battery|autonomie|client|cliente|customer|member|abonn[eé]e?|loyal|pregnant|enceinte|mari[eé]e?s?|married|habite"
    r"|live[ds]? (?:here|in)|travaille|work(?:ed|ing) (?:here|for)|anniversa\w+|born|ouvert|open|v[ée]lo|pied"
    r"|walk|drive|voiture|cook|bake|cuisson|worth|vacances|holiday|trip)\b"
)
_OTHER_AFTER = re.compile(
    r" ?(?:old\b|left\b|ago i (?:bought|joined)|contract|warranty|free|trial|de garantie|d'essai|d'engagement|gratuit"
    r"|/ ?\d|[-–] ?\d|[aà] \d|du (?:mat|soir)|pile\b|d'[aâ]ge|de vol\b|flight\b|film|movie|[aà] pied|walk|drive|offert)"
)
_HOUR_OF_DAY = re.compile(r"(?:[6-9]|1\d|2[0-3]) ?h(?: ?\d\d)?")  # or a length of time: nobody can tell
_HOURS_LONG = re.compile(r" ?(?:d'|de retard|on hold|que |at?tend)")
_SURE = re.compile(r"\bwait(?:ing|ed)\b|\bhold\b|\bj'attend|\battendu|\bd'attente|\bqueu")
_CLOCK = r"(\d{1,2})(?:[h:.](\d\d)?)? ?(am|pm)?"
_SPAN_OF_CLOCKS = re.compile(
    rf"(?:\bdepuis|\bsince|\bwaiting from) {_CLOCK}\b.{{0,60}}?\b(?:il est|it'?s|it is|now) (?:now )?{_CLOCK}\b",
    re.DOTALL,
)
_DAYS = (
    ("monday", "lundi"), ("tuesday", "mardi"), ("wednesday", "mercredi"), ("thursday", "jeudi"),
    ("friday", "vendredi"), ("saturday", "samedi"), ("sunday", "dimanche"),
)  # fmt: skip
_WEEKDAY = {name: number for number, names in enumerate(_DAYS) for name in names}
_SINCE_DAY = re.compile(rf"\b(?:since|depuis) (?:last )?(yesterday|hier|{'|'.join(_WEEKDAY)})\b")

_UNHEARD = re.compile(r"\bwait|\bhold\b|\bqueu|attend|r[eé]pon|\breply|\banswer|\brespon|\bnothing|\brien\b|retour\b")

_UNTIL = re.compile(r"(?:\b(?:in|within|dans|ds|d'ici|only|just|plus que|reste|have|got|about) (?:about |under )?)$")
_EVENT = re.compile(
    r"\b(?:leav\w+|depart\w*|board\w*|clos(?:e|es|ing)|shuts?|start\w*|begin\w*|kick|flight|plane|train|bus|ferry|exam\w*"
    r"|interview|meeting|appointment|appt|wedding|concert|gig|check-?in|gate|surgery|deadline|delivery|due|part(?:ent|ons)?"
    r"|pars|d[eé]part|embarqu\w*|d[eé]coll\w*|ferm\w*|commenc\w*|d[eé]but\w*|vol|avion|partiel|entretien|rdv|rendez-vous"
    r"|mariage|r[eé]union|oral|s[eé]ance|match|expir\w*|cours)\b"
)
_LEFT_AFTER = re.compile(r" ?(?:left\b|to go\b|before\b|until\b|till\b|avant\b|to (?:boarding|departure|kick))")
_BARE = re.compile(
    r"\b(?:boarding|boards|leav(?:es|ing)|departs|departing|clos(?:es|ing)|starts?|part|embarque"
    r"|d[eé]colle) (?:in|dans) (\d{1,3})(?=$|[!?]|[.,](?!\d)"
    r"| (?!\d|h\b|m|hours?|hrs?|heures?|days?|weeks?|jours?|sem|ans?\b|years?))"
)


def stated_wait(text: str, posted_at: datetime | None = None) -> int | None:
    """How long the text says its author has waited, in minutes; the longest where it says several, None where none.

    A length of time counts only near a word of waiting; what is promised, priced, still to come or part of a contract
    does not. An hour of the clock counts only beside a second one ("since 9, it is 11:10"): the zone is unknown.

    Args:
        posted_at: when the post was written; needed for days of the week ("depuis mardi"), which are left out without.
    """
    low = _plain(text)
    longest = 0
    for minutes, start, end in _lengths(low):
        if minutes > longest and _is_waiting(low, minutes, start, end):
            longest = minutes
    if "depuis" in low or "since" in low or "waiting from" in low:
        longest = max(longest, _since(low, posted_at))
    return longest or None


def time_left(text: str) -> int | None:
    """Minutes until an event the text states (a departure, a closing, an exam); the soonest where it states several."""
    low = _plain(text)
    soonest = [int(bare[1]) for bare in _BARE.finditer(low)]
    for minutes, start, end in _lengths(low):
        ahead = _UNTIL.search(low, max(0, start - 22), start) or _LEFT_AFTER.match(low, end)
        if minutes <= DAY and ahead and _EVENT.search(low, max(0, start - 60), end + 50):
            soonest.append(minutes)
    return min(soonest, default=None)


def _plain(text: str) -> str:
    return text[:LONGEST].lower().replace("’", "'")


@lru_cache(maxsize=4)  # both questions are asked of a text, one after the other
def _lengths(low: str) -> tuple[tuple[int, int, int], ...]:
    """Every length of time in the text: its minutes, where it begins and where it ends."""
    return tuple(_found(low))


def _found(low: str) -> Iterator[tuple[int, int, int]]:
    for found in _FIGURES.finditer(low):
        whole, tenth, inside, said, unit, half = found.groups()
        amount = int(whole) + (int(tenth) / 10 if tenth else 0) + (0.5 if half else 0)
        yield round(amount * _unit(unit)) + int(inside or said or 0), found.start(), found.end()
    for units, unit_of, many in _IN_WORDS:
        for unit in units:  # several times quicker than `any`
            if unit in low:
                break
        else:
            continue
        for found in unit_of.finditer(low):
            number = many.search(low, max(0, found.start() - _LONGEST_NUMBER), found.start())
            unit, more, minutes = found.groups()
            if number is None or (number[1] in ("a", "un") and unit in ("day", "jour")):
                continue  # "a day late", "un jour": no length of time is meant
            value = _number(number[1]) + (0.25 if more == "quart" else 0.5 if more else 0)
            yield round(value * _unit(unit)) + int(minutes or 0), number.start(), found.end()


def _unit(word: str | None) -> int:
    if word is None:
        return HOUR
    return MONTH if word.startswith("mo") else _UNITS[word[0]]


def _number(words: str) -> float:
    if words in _NUMBERS:
        return _NUMBERS[words]
    parts = re.split(r"[- ](?:et[- ])?", words)
    return sum(_NUMBERS[part] for part in parts)


def _is_waiting(low: str, minutes: int, start: int, end: int) -> bool:
    before, after = max(0, start - 50), end + 45
    if _OTHER_BEFORE.search(low, max(0, start - 18), start) or _OTHER_AFTER.match(low, end):
        return False
    hours = low[start:end]
    if low.endswith(("depuis ", "since "), 0, start) and re.fullmatch(r"(?:[6-9]|1\d|2[0-3])h(?:\d\d)?", hours):
        return False  # an hour of the clock, or may be
    if not _WAITING.search(low, before, after):
        return False
    return bool(_SURE.search(low, before, after)) or (minutes < YEAR and not _OTHER_NEAR.search(low, before, after))


def _since(low: str, posted_at: datetime | None) -> int:
    """From one hour of the clock to another, or from a day until `posted_at`; 0 where neither is said."""
    if (clocks := _SPAN_OF_CLOCKS.search(low)) is not None:
        first, second = _clock(*clocks.groups()[:3]), _clock(*clocks.groups()[3:])
        if first is not None and second is not None:
            apart = second - first
            return (
                apart + 12 * HOUR if -12 * HOUR < apart < 0 and "h" not in clocks[0].split(" ", 1)[1] else max(apart, 0)
            )
    if (day := _SINCE_DAY.search(low)) is not None:
        if not _UNHEARD.search(low):
            return 0
        if day[1] in ("yesterday", "hier"):
            return DAY
        if posted_at is not None:
            return ((posted_at.weekday() - _WEEKDAY[day[1]]) % 7 or 7) * DAY
    return 0


def _clock(hour: str, minute: str | None, half: str | None) -> int | None:
    hours = int(hour) % 12 + 12 if half == "pm" else int(hour)
    return hours * HOUR + int(minute or 0) if hours < 24 else None
