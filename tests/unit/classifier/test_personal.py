"""Personal data by rule, and the many numbers that are none. All of it is made up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.classifier.domain.personal import KINDS, personal_data


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("write to ana.smith+x@example.co.uk please", ("email",)),
        ("mon mail : JEAN@EXAMPLE.FR", ("email",)),
        ("appelez le 06 12 34 56 78", ("phone",)),
        ("0612345678", ("phone",)),
        ("tel 01.42.34.56.78", ("phone",)),
        ("+33 6 12 34 56 78", ("phone",)),
        ("+33 (0)6 12 34 56 78", ("phone",)),
        ("0033612345678", ("phone",)),
        ("gsm 0470 12 34 56", ("phone",)),
        ("+32 470 12 34 56", ("phone",)),
        ("natel 079 123 45 67", ("phone",)),
        ("+41 79 123 45 67", ("phone",)),
        ("call me on 07700 900123", ("phone",)),
        ("+44 7700 900123", ("phone",)),
        ("020 7946 0018 is my number", ("phone",)),
        ("(212) 555-0123", ("phone",)),
        ("212-555-0123", ("phone",)),
        ("+1 416 555 0123", ("phone",)),
        ("ring me 085 555 0101", ("phone",)),
        ("+353 85 555 0101", ("phone",)),
        ("+221 77 123 45 67", ("phone",)),
        ("IBAN FR76 3000 6000 0112 3456 7890 189", ("iban",)),
        ("GB82WEST12345698765432", ("iban",)),
        ("BE68 5390 0754 7034", ("iban",)),
        ("CH93 0076 2011 6238 5295 7", ("iban",)),
        ("card 4111 1111 1111 1111", ("card",)),
        ("5500-0000-0000-0004", ("card",)),
        ("378282246310005", ("card",)),
        ("booking K7QX2M please", ("booking_code",)),
        ("PNR: ABCDEF", ("booking_code",)),
        ("ma réservation est X4TR9B", ("booking_code",)),
        ("dossier QZRT7P", ("booking_code",)),
        ("a@example.com or 06 12 34 56 78, booking K7QX2M", ("email", "phone", "booking_code")),
    ],
)
def test_personal_data_is_found(text: str, kinds: tuple[str, ...]) -> None:
    assert personal_data(text) == kinds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@acme @acme_fr help",
        "hello @acme.com",
        "order 4711 0000 1234",
        "commande n° 0612345678",
        "order number 2125550123",
        "colis 8R12345678901",
        "suivi 6A 123 456 789 01 23",
        "1 250 000 €",
        "costs 1,250,000.00",
        "le 12/06/2025 à 14:30",
        "2024-2025",
        "in 1999 and 2024",
        "1234567890123456789",
        "status 1790000000000000000",
        "https://t.co/0612345678",
        "card 4111 1111 1111 1112",
        "0000 0000 0000 0000",
        "IBAN FR76 3000 6000 0112 3456 7890 188",
        "my booking PLEASE help",
        "MY BOOKING PLEASE CANCEL NOW",
        "K7QX2M",
        "booking 123456",
        "3.14159265358979",
        "192.168.100.200",
        "24h/24 7j/7",
    ],
)
def test_other_numbers_and_names_are_none(text: str) -> None:
    assert personal_data(text) == ()


@given(st.text(st.characters(exclude_categories=()), max_size=400))
def test_any_text_is_read_without_an_error(text: str) -> None:
    assert set(personal_data(text)) <= set(KINDS)


@given(st.text("0123456789 +()-./@aAFR.", max_size=120))
def test_any_row_of_digits_and_signs_is_read_without_an_error(text: str) -> None:
    assert set(personal_data(text)) <= set(KINDS)
