"""Personal data in a text, by rule: what to ask people to send in private."""

import re

from services.classifier.domain.text import LONGEST

KINDS = ("email", "phone", "iban", "card", "booking_code")

_EMAIL = re.compile(
    r"(?<![\w.+%-])[a-z0-9][\w.+%-]{0,63}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,4}\.[a-z]{2,24}\b", re.I
)
_HOST = re.compile(r"@[\w-]{1,63}\.[a-z]", re.I)
_LONG = re.compile(r"[0-9](?:[ .()/-]{0,2}[0-9]){8}")  # what is shorter is no phone number and no card
_IBAN_START = re.compile(r"[0-9](?<=[A-Za-z][A-Za-z][0-9])[0-9] ?[A-Za-z0-9]{4}")
# A run of digits as people write them; what is joined to letters, a sign of money or a decimal is another number.
_RUN = re.compile(
    r"(?<![\w€$£#/=.,:-])\+?\(?\d[\d .()/-]{7,26}\d(?![\w%€$£]|[.,:/-]\d| ?(?:€|eur|euros?|usd|fcfa)\b)", re.I
)
_PHONE = re.compile(
    r"(?:\+|00)(?:33\(?0?\)?[1-9]\d{8}|32\(?0?\)?\d{8,9}|41\(?0?\)?[2-9]\d{8}|44\(?0?\)?[1-9]\d{8,9}|353\(?0?\)?[1-9]\d{7,8}"
    r"|1[2-9]\d{2}[2-9]\d{6}|(?!33|32|41|44|353|1)[2-9]\d{8,13})"  # international
    r"|0[1-79]\d{8}"  # France; Belgium and Switzerland with ten digits; Ireland
    r"|08[35-9]\d{7}"  # Ireland
    r"|0[2-9]\d{7}"  # Belgium, nine digits
    r"|0(?:1\d{8,9}|2\d{9}|3\d{9}|7[1-9]\d{8})"  # United Kingdom
    r"|1?[2-9]\d{2}[2-9]\d{6}"  # North America
)
_NORTH_AMERICAN = re.compile(r"(?:\+?1[ .-]?)?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}")
_SHORT_GROUPS = re.compile(r"0\d{1,3}[ ./-]\d{2,4}(?:[ ./-]\d{2,4}){1,3}")
_DATE = re.compile(r"\d{1,4}[ ./-]\d{1,2}[ ./-]\d{2,4}")
_CALL = re.compile(
    r"\b(?:call|ring|phone|tel|t[eé]l|t[eé]l[eé]phone|mobile|cell|whatsapp|text|sms|num[eé]ro|number|joindre|joignable|appel\w*"
    r"|rappel\w*|contact\w*|reach|gsm|portable|natel)\b", re.I
)  # fmt: skip
_NOT_CALL = re.compile(
    r"\b(?:order|commande|ticket|tracking|suivi|colis|parcel|invoice|facture|ref|r[eé]f[eé]rence|dossier|case|serial|s[eé]rie|id"
    r"|tweet|status|imei|siret|siren|vat|tva|isbn|ean|account|compte|contrat|contract|policy|sinistre|client|customer|booking"
    r"|reservation)\W{0,3}(?:(?:no|n|number|num[eé]ro|num|id|est|is|ref)\W{0,3}){0,2}$", re.I
)  # fmt: skip
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{1,4}){3,8}\b", re.I)
_LENGTHS = {
    "AT": 20, "BE": 16, "CH": 21, "CZ": 24, "DE": 22, "DK": 18, "ES": 24, "FI": 18, "FR": 27, "GB": 22, "GR": 27,
    "HU": 28, "IE": 22, "IT": 27, "LI": 21, "LT": 20, "LU": 20, "MA": 28, "MC": 27, "MT": 31, "NL": 18, "NO": 15,
    "PL": 28, "PT": 25, "RO": 24, "SE": 24, "TN": 24, "TR": 26, "AE": 23, "SA": 24, "SN": 28, "CI": 28, "CM": 27,
}  # fmt: skip
_CARD_RUN = re.compile(r"(?<![\w.,+/-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\w]|[.,/-]\d)")
_CARD = re.compile(  # Visa, Mastercard, American Express, Diners, Discover, JCB, Maestro, UnionPay
    r"4(?:\d{12}|\d{15}|\d{18})|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|(?:50|5[6-8]|6[37])\d{11,17}|62\d{14,17}"
)
_BOOKING = re.compile(
    r"\b(?:bookings?|reservation|r[eé]servation|r[eé]sa|pnr|dossier|r[eé]f(?:[eé]rence)?|reference|ref|locator|confirmation"
    r"|record locator|billet|ticket|code)\b",
    re.I,
)
_CODE = re.compile(r"[A-Z0-9](?<![\w@#/.-][A-Z0-9])[A-Z0-9]{5}(?![\w@/-]|\.\w)")
_SAID = re.compile(
    r"(?:\bpnr|\blocator|[:#°]|\b(?:is|est|no|code|number|num[eé]ro)) ?$", re.I
)  # what follows is the code


def personal_data(text: str) -> tuple[str, ...]:
    """The kinds of personal data the text holds, each once, in the order of `KINDS`; a handle is no e-mail address."""
    text = text[:LONGEST]
    found = []
    if "@" in text and _HOST.search(text) and _EMAIL.search(text):
        found.append("email")
    if _LONG.search(text):
        found += _numbers(text)
    elif _IBAN_START.search(text) and any(_is_iban(iban[0]) for iban in _IBAN.finditer(text)):
        found.append("iban")
    if _has_booking_code(text):
        found.append("booking_code")
    return tuple(found)


def _numbers(text: str) -> list[str]:
    """Which of phone, iban and card stand in a text with a long row of digits; one number is of one kind only."""
    cards = {_digits(card[0]) for card in _CARD_RUN.finditer(text) if _is_card(_digits(card[0]))}
    ibans = [iban.span() for iban in _IBAN.finditer(text) if _is_iban(iban[0])]
    phone = any(
        _is_phone(run[0], text, run.start())
        for run in _RUN.finditer(text)
        if _digits(run[0]) not in cards and not any(start <= run.start() < end for start, end in ibans)
    )
    return [kind for kind, is_there in (("phone", phone), ("iban", ibans), ("card", cards)) if is_there]


def _digits(run: str) -> str:
    return "".join(letter for letter in run if "0" <= letter <= "9")


def _is_phone(run: str, text: str, at: int) -> bool:
    digits = _digits(run)
    if not 9 <= len(digits) <= 15 or _DATE.fullmatch(run) or _NOT_CALL.search(text, max(0, at - 40), at):
        return False
    whole = "+" + digits if "+" in run[:2] else digits
    if not _PHONE.fullmatch(whole):
        return False
    if whole[0] == "+" or _NORTH_AMERICAN.fullmatch(run) or _SHORT_GROUPS.fullmatch(run):
        return True
    # in one piece it may be any number: a French mobile speaks for itself, the others need a word
    if re.fullmatch(r"0[67]\d{8}|07\d{9}|00\d{10,13}", digits):
        return True
    return _CALL.search(text, max(0, at - 40), at + len(run) + 25) is not None


def _is_iban(written: str) -> bool:
    iban = written.replace(" ", "").upper()
    length = _LENGTHS.get(iban[:2])
    if length is None or len(iban) < length:
        return False
    iban = iban[:length]  # the words after it may look like more of it
    number = "".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])
    return int(number) % 97 == 1


def _is_card(digits: str) -> bool:
    if not _CARD.fullmatch(digits):
        return False
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(int(digit) for digit in digits[-1::-2])) % 10 == 0


def _has_booking_code(text: str) -> bool:
    for code in _CODE.finditer(text):
        at = code.start()
        has_digit = any(letter.isdigit() for letter in code[0])
        if code[0].isdigit() or not (has_digit or _SAID.search(text, max(0, at - 12), at)):
            continue
        if _BOOKING.search(text, max(0, at - 50), at) or _BOOKING.search(text, code.end(), code.end() + 25):
            return True
    return False
