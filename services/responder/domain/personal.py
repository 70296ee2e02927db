"""Personal data in what we write, and where it stands: what the whole world would read."""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["email", "phone", "iban", "card", "booking_code"]


@dataclass(frozen=True, slots=True)
class Found:
    """One piece of personal data, from a code point to another."""

    kind: Kind
    start: int
    end: int


_EMAIL = re.compile(
    r"(?<![\w.+%@-])[a-z0-9][\w.+%-]{0,63}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){0,4}\.[a-z]{2,24}\b", re.I
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?\b", re.I)
_CARD = re.compile(r"(?<![\w.,+/-])[2-6]\d{3}(?:[ -]?\d){9,15}(?!\w|[.,/-]\d)")
# As people write numbers to call: with a plus, or in groups, or a mobile number in one piece.
_PHONE = re.compile(
    r"(?<![\w€$£#/=.,:-])(?:\+|00)\d{1,3}(?:[ .()-]{0,2}\d){7,12}(?![\w%€$£]|[.,:/-]\d)"
    r"|(?<![\w€$£#/=.,:+-])(?<!\d )0[1-9](?:[ .-]\d{2}){4}(?![\w%€$£]|[.,:/-]\d)"
    r"|(?<![\w€$£#/=.,:+-])(?<!\d )0[67]\d{8,9}(?![\w%€$£]|[.,:/-]\d)"
    r"|(?<![\w€$£#/=.,:+-])(?<!\d )(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])[2-9]\d\d[ .-]\d{4}(?!\w|[.,:/-]\d)"
    r"|(?<![\w€$£#/=.,:+-])(?<!\d )0\d{2,4}[ -]\d{3,4}[ -]\d{3,4}(?!\w|[.,:/-]\d)"
)
_BOOKING = re.compile(
    r"\b(?:bookings?|reservation|réservation|résa|pnr|dossier|réf(?:érence)?|ref(?:erence)?|locator)\b", re.I
)
_CODE = re.compile(r"(?<![\w@#/.-])(?=[A-Z0-9]*[A-Z])(?=[A-Z0-9]*\d)[A-Z0-9]{6}(?![\w@/-]|\.\w)")
_NEAR = 40  # characters from the word to the code


def personal_data(text: str) -> list[Found]:
    """What stands in the text, in its order; a place is of one kind only."""
    found: list[Found] = []

    def add(kind: Kind, start: int, end: int) -> None:
        if not any(start < other.end and other.start < end for other in found):
            found.append(Found(kind, start, end))

    for email in _EMAIL.finditer(text):
        add("email", *email.span())
    for iban in _IBAN.finditer(text):
        ends = [iban.end(), *(iban.start() + at for at, letter in enumerate(iban[0]) if letter == " ")]
        for end in sorted(ends, reverse=True):  # the words after it may look like more of it
            if is_iban(text[iban.start() : end]):
                add("iban", iban.start(), end)
                break
    for card in _CARD.finditer(text):
        if is_card(card[0]):
            add("card", *card.span())
    for phone in _PHONE.finditer(text):
        add("phone", *phone.span())
    for code in _CODE.finditer(text):
        if _BOOKING.search(text, max(0, code.start() - _NEAR), code.end() + _NEAR):
            add("booking_code", *code.span())
    return sorted(found, key=lambda each: each.start)


def is_iban(written: str) -> bool:
    """Whether its check digits are right. Source: ISO 13616, ISO 7064 MOD 97-10."""
    iban = written.replace(" ", "").upper()
    if not 15 <= len(iban) <= 34:
        return False
    return int("".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])) % 97 == 1


def is_card(written: str) -> bool:
    """Whether its check digit is right. Source: ISO/IEC 7812-1, annex B (Luhn)."""
    digits = [int(letter) for letter in written if letter.isdecimal()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return 13 <= len(digits) <= 19 and (sum(doubled) + sum(digits[-1::-2])) % 10 == 0
