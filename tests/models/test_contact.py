"""Which numbers and mailboxes can be served, and in what form they are kept (B13)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.contact import (
    EmailInvalid,
    Phone,
    PhoneCountryNotServed,
    PhoneInvalid,
    PhoneNotMobile,
    masked,
    normalise_email,
    normalise_phone,
)
from models.errors import ContactRefused

JAPAN = frozenset({"JP"})
TEST_PREFIXES = ("+81900000",)


def phone(text: str, *countries: str) -> Phone:
    return normalise_phone(text, countries=frozenset(countries) or JAPAN, test_prefixes=TEST_PREFIXES)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("09000000012", "as it is typed"),
        ("090-0000-0012", "hyphens"),
        ("090 0000 0012", "spaces"),
        ("090.0000.0012", "dots"),
        ("(090)0000-0012", "brackets"),
        ("090/0000/0012", "slashes"),
        ("０９０００００００１２", "full-width digits"),
        ("０９０－００００－００１２", "full-width digits and hyphens"),
        ("（０９０）００００ー００１２", "full-width brackets and a long-vowel mark for a hyphen"),
        ("090\u30000000\u30000012", "ideographic spaces"),
        ("090ー0000ー0012", "the long-vowel mark"),
        ("090\uff700000\uff700012", "the half-width long-vowel mark"),
        ("090‐0000‐0012", "the true hyphen U+2010"),
        ("090‑0000‑0012", "the hyphen that does not break U+2011"),
        ("090–0000–0012", "en dashes"),
        ("090—0000—0012", "em dashes"),
        ("090―0000―0012", "horizontal bars"),
        ("090−0000−0012", "minus signs"),
        ("+819000000012", "E.164"),
        ("\uff0b\uff18\uff11\uff19\uff10\uff10\uff10\uff10\uff10\uff10\uff10\uff11\uff12", "E.164 in full width"),
        ("+81 90-0000-0012", "the international form"),
        ("+81 (0)90-0000-0012", "the international form with the trunk's zero"),
        ("+81 090 0000 0012", "the same without brackets"),
        ("010 81 90 0000 0012", "as it is dialled from Japan to Japan"),
        ("  090-0000-0012\n", "spaces around it"),
        ("\u202a+81 90-0000-0012\u202c", "the invisible marks that an address book adds"),
    ],
)
def test_a_number_is_understood_however_it_is_written(text: str, why: str) -> None:
    assert phone(text).e164 == "+819000000012", why


@pytest.mark.parametrize("prefix", ["060", "070", "080", "090"])
def test_the_four_mobile_prefixes_of_japan_are_served(prefix: str) -> None:
    assert phone(f"{prefix}-1234-5678").e164 == f"+81{prefix[1:]}12345678"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("03-1234-5678", "a landline in Tokyo"),
        ("020-1234-5678", "a pager, or a machine"),
        ("050-1234-5678", "IP telephony"),
        ("0120-123-456", "toll-free"),
        ("0800-123-4567", "toll-free, though it begins like a mobile"),
        ("0990-123-456", "premium: each SMS would cost somebody dearly"),
    ],
)
def test_a_number_that_is_not_mobile_is_refused(text: str, why: str) -> None:
    with pytest.raises(PhoneNotMobile) as refused:
        phone(text)

    assert refused.value.code == "phone_not_mobile", why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing"),
        ("   ", "spaces"),
        ("+", "a plus sign"),
        ("110", "the police"),
        ("090-1234-567", "a digit too few"),
        ("090-1234-56789", "a digit too many"),
        ("090-0000-001", "a test prefix does not excuse a digit too few"),
        ("0081 90 1234 5678", "00 is not how Japan dials abroad"),
        ("090-1234-5678 ext. 9", "an extension"),
        ("090-1234-5678;ext=9", "an extension as in a URI"),
        ("tel:090-1234-5678", "a URI"),
        ("0120-FLOWER", "letters"),
        ("٠٩٠١٢٣٤٥٦٧٨", "digits of a script nobody here can check by eye"),
        ("090-1234-5678, 080-1234-5678", "two numbers"),
        ("9" * 41, "too long to be one"),
        ("+999 123456", "a country code that does not exist"),
        ("\ud800", "half a character"),
    ],
)
def test_what_is_no_number_is_refused(text: str, why: str) -> None:
    with pytest.raises(PhoneInvalid) as refused:
        phone(text)

    assert refused.value.code == "phone_invalid", why


@pytest.mark.parametrize("text", ["+1 415 555 0123", "+33 6 12 34 56 78", "010 44 7400 123456"])
def test_a_number_of_another_country_is_refused(text: str) -> None:
    with pytest.raises(PhoneCountryNotServed) as refused:
        phone(text)

    assert refused.value.code == "phone_country_not_served"


def test_a_country_that_only_shares_the_country_code_is_refused() -> None:
    # +44 7797 is Jersey, not the United Kingdom.
    with pytest.raises(PhoneCountryNotServed):
        phone("+44 7797 712345", "GB")


def test_a_country_that_is_served_is_accepted() -> None:
    assert phone("+33 6 12 34 56 78", "JP", "FR").e164 == "+33612345678"


def test_a_number_without_a_country_code_belongs_to_the_home_country() -> None:
    found = normalise_phone("06 12 34 56 78", countries=frozenset({"FR"}), home="FR")

    assert found.e164 == "+33612345678"


@pytest.mark.parametrize(("text", "is_test"), [("090-0000-0012", True), ("090-1234-5678", False)])
def test_a_test_number_says_that_it_is_one(text: str, is_test: bool) -> None:
    assert phone(text).is_test is is_test


def test_without_test_prefixes_a_test_number_does_not_exist() -> None:
    with pytest.raises(PhoneInvalid):
        normalise_phone("090-0000-0012", countries=JAPAN)


def test_a_test_number_of_a_country_that_is_not_served_is_refused() -> None:
    with pytest.raises(PhoneCountryNotServed):
        phone("+81 90-0000-0012", "FR")


@given(st.text(max_size=60))
@settings(deadline=None)
def test_any_text_is_a_number_or_a_refusal(text: str) -> None:
    try:
        found = phone(text)
    except ContactRefused:
        return

    assert phone(found.e164) == found


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("sakura@example.jp", "sakura@example.jp", "as it is"),
        ("Sakura@Example.JP", "Sakura@example.jp", "the domain's case means nothing, the mailbox's may"),
        ("  sakura@example.jp\u3000", "sakura@example.jp", "spaces around it"),
        (
            "\uff53\uff41\uff4b\uff55\uff52\uff41\uff20\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45\uff0e\uff4a\uff50",
            "sakura@example.jp",
            "full width, as typed with the input method left on",
        ),
        ("sakura@example。jp", "sakura@example.jp", "an ideographic full stop for a dot"),
        ("a..b@docomo.example.jp", "a..b@docomo.example.jp", "carriers gave out two dots in a row"),
        ("sakura.@ezweb.example.jp", "sakura.@ezweb.example.jp", "and a dot at the end"),
        (".sakura@ezweb.example.jp", ".sakura@ezweb.example.jp", "and one at the beginning"),
        ("sakura+vc@example.com", "sakura+vc@example.com", "a tag"),
        ("o'hara/x=1@example.com", "o'hara/x=1@example.com", "all that RFC 5322 allows in an atom"),
        ("a@b.co", "a@b.co", "short"),
        ("sakura@日本語.example", "sakura@xn--wgv71a119e.example", "a Japanese domain"),
        ("sakura@faß.example", "sakura@xn--fa-hia.example", "not fass.example, which is somebody else's"),
        ("s" * 64 + "@example.jp", "s" * 64 + "@example.jp", "the longest local part"),
    ],
)
def test_an_address_is_kept_in_one_form(text: str, expected: str, why: str) -> None:
    assert normalise_email(text) == expected, why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "nothing"),
        ("sakura", "no domain"),
        ("@example.jp", "no mailbox"),
        ("sakura@", "no domain after the at sign"),
        ("sakura@example", "no dot in the domain"),
        ("sakura@example..jp", "an empty label"),
        ("sakura@.example.jp", "an empty label first"),
        ("sakura@example.jp.", "an empty label last"),
        ("sakura@-example.jp", "a hyphen first"),
        ("sakura@exa_mple.jp", "an underscore"),
        ("sakura@*.jp", "a wildcard"),
        ("sakura@127.0.0.1", "an address of a machine"),
        ("sakura@[127.0.0.1]", "the same in brackets"),
        ("sakura@xn--a.example", "no such domain can be registered"),
        (f"sakura@{'a' * 64}.jp", "a label of 64"),
        ("sa kura@example.jp", "a space in the mailbox"),
        ("sakura@exam ple.jp", "a space in the domain"),
        ("sakura@example.jp\n", "a line end, even at the end"),
        ("sakura@example.jp\r\nBcc: all@example.com", "another header"),
        ("sakura\x00@example.jp", "a NUL"),
        ("sakura\u200b@example.jp", "an invisible character"),
        ("sakura@exam\u00adple.jp", "a soft hyphen"),
        ("\u202esakura@example.jp", "a mark that turns the text round"),
        ("sakura@hana@example.jp", "two at signs"),
        ('"sakura"@example.jp', "quotes"),
        ("sakura(staff)@example.jp", "a comment"),
        ("Sakura <sakura@example.jp>", "a name"),
        ("sakura@example.jp,hana@example.com", "two addresses"),
        ("さくら@example.jp", "a mailbox that our vendor cannot write to"),
        ("s" * 65 + "@example.jp", "a local part of 65"),
        (f"{'s' * 64}@{'.'.join(['x' * 60] * 3)}.example", "255 characters"),
        (
            f"{'s' * 64}@{'.'.join(['x' * 55] * 3)}.日本語.example",
            "255 characters, but only once the domain is ASCII",
        ),
        ("あ" * 100_000 + "@example.jp", "a novel"),
        ("sakura@\ud800.jp", "half a character"),
    ],
)
def test_what_is_no_address_is_refused(text: str, why: str) -> None:
    with pytest.raises(EmailInvalid) as refused:
        normalise_email(text)

    assert refused.value.code == "email_invalid", why


def test_the_longest_address_is_accepted() -> None:
    longest = f"{'s' * 64}@{'.'.join(['x' * 60] * 3)}.exampl"

    assert len(normalise_email(longest)) == 254


@given(st.one_of(st.text(max_size=60), st.emails()))
@settings(deadline=None)
def test_any_text_is_an_address_or_a_refusal(text: str) -> None:
    try:
        found = normalise_email(text)
    except ContactRefused:
        return

    assert normalise_email(found) == found


@pytest.mark.parametrize(
    ("contact", "expected"),
    [
        (Phone("+819000000012"), "+81 90-****-0012"),
        ("+819000000012", "+81 90-****-0012"),
        ("+33612345678", "+33 6 ** ** 56 78"),
        ("sakura@example.jp", "s***@example.jp"),
        ("s@example.jp", "***@example.jp"),
    ],
)
def test_a_masked_contact_is_known_again_by_its_owner_only(contact: Phone | str, expected: str) -> None:
    assert masked(contact) == expected


def test_a_phones_repr_shows_nothing_of_it() -> None:
    assert "0012" not in repr(phone("090-0000-0012"))


@pytest.mark.parametrize("text", ["+1 415 555 0123", "03-1234-5678", "090-1234-56789", "+999 123456", "sakura"])
def test_a_refusal_carries_nothing_of_the_number(text: str) -> None:
    with pytest.raises(ContactRefused) as refused:
        phone(text)

    assert (refused.value.args, refused.value.facts) == ((refused.value.code,), {})


def test_a_refusal_hides_the_error_of_the_library_which_quotes_the_text() -> None:
    with pytest.raises(PhoneInvalid) as number:
        phone("+999 123456")
    with pytest.raises(EmailInvalid) as address:
        normalise_email("sakura@xn--a.example")

    assert number.value.__suppress_context__
    assert address.value.__suppress_context__
