"""Phone numbers and mail addresses: which can be served, in which one form they are kept, how they may be shown.

It judges the text of an address. Whether anybody reads what is sent there, only a code can tell.
"""

import re
import unicodedata
from dataclasses import dataclass, field

import idna
import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from models.errors import ContactRefused

LONGEST_PHONE_TEXT = 40
LONGEST_EMAIL = 254
"""RFC 5321 leaves 254 octets for an address between the angle brackets (RFC 3696, erratum 1690)."""
LONGEST_LOCAL_PART = 64

# What people write between digits, among it the dashes of Japanese input methods, after NFKC.
_PHONE = re.compile(r"\+?[0-9 ().\-/‐‑‒–—―−ーｰ]+", re.ASCII)
# RFC 5322's atext plus dots wherever they stand: docomo and au gave out names such as "a..b" and "a." for years.
_LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+", re.ASCII)
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)
# Full-width ASCII, as typed with a Japanese input method left on, to ASCII.
_HALF_WIDTH = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}


class PhoneInvalid(ContactRefused):
    """The text is not a phone number that exists in any country."""

    code = "phone_invalid"


class PhoneNotMobile(ContactRefused):
    """The number is not a mobile one: an SMS would reach nobody, or cost somebody dearly."""

    code = "phone_not_mobile"


class PhoneCountryNotServed(ContactRefused):
    """SMS go only to the countries that the settings name; all others invite toll fraud (B39)."""

    code = "phone_country_not_served"


class EmailInvalid(ContactRefused):
    """The text is not a mail address that can be delivered to on the internet."""

    code = "email_invalid"


@dataclass(frozen=True)
class Phone:
    """A mobile number; its repr shows nothing of it.

    Attributes:
        e164: the number as `+819000000012`.
        is_test: the number begins with a test prefix; limits by prefix leave it out.
    """

    e164: str = field(repr=False)
    is_test: bool = False


def normalise_phone(
    text: str, *, countries: frozenset[str], test_prefixes: tuple[str, ...] = (), home: str = "JP"
) -> Phone:
    """Return the mobile number that a customer means by `text`.

    Full-width digits, every sort of hyphen, `+81 (0)90…` and `010 81…` are understood.

    Args:
        text: what the customer wrote.
        countries: ISO 3166 codes of the countries that are served.
        test_prefixes: E.164 prefixes whose numbers count as existing and mobile though no such numbers are given out.
        home: the country that a number without a country code belongs to.

    Raises:
        PhoneInvalid: no such number can exist.
        PhoneCountryNotServed: it belongs to another country.
        PhoneNotMobile: it is a landline, a pager, an IP phone, toll-free or premium.

    Source: clause B13.
    """
    number = _parsed(text, home)
    regions = phonenumbers.region_codes_for_country_code(number.country_code or 0)
    if not countries.intersection(regions):
        raise PhoneCountryNotServed
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    if e164.startswith(test_prefixes) and phonenumbers.is_possible_number_for_type(number, PhoneNumberType.MOBILE):
        return Phone(e164, is_test=True)
    if not phonenumbers.is_valid_number(number):
        raise PhoneInvalid
    # Several countries may share one country code, as +1 and +44 do.
    if phonenumbers.region_code_for_number(number) not in countries:
        raise PhoneCountryNotServed
    if phonenumbers.number_type(number) != PhoneNumberType.MOBILE:
        raise PhoneNotMobile
    return Phone(e164)


def normalise_email(text: str) -> str:
    """Return the address with its domain in lower-case ASCII and its local part as it was written.

    The local part is the mailbox's own affair (RFC 5321 §2.4): its case is kept, and dots may stand where Japanese
    carriers allowed them. Domains may be written in any script (IDNA 2008 with UTS 46 mapping).

    Raises:
        EmailInvalid: it holds spaces, control or invisible characters, quotes or a second `@`; its domain has no
            dot or cannot exist; or it is longer than 254 characters.

    Source: clause B13.
    """
    if len(text) > LONGEST_EMAIL or any(unicodedata.category(each) in {"Cc", "Cf"} for each in text):
        raise EmailInvalid
    local, at, domain = text.strip().translate(_HALF_WIDTH).rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local) or len(local) > LONGEST_LOCAL_PART:
        raise EmailInvalid
    address = f"{local}@{_domain(domain)}"
    if len(address) > LONGEST_EMAIL:
        raise EmailInvalid
    return address


def masked(contact: Phone | str) -> str:
    """Return a contact so that its owner knows it again and nobody else learns it.

    `+81 90-****-0012`, `s***@example.jp`. It takes normalised contacts only.
    """
    text = contact.e164 if isinstance(contact, Phone) else contact
    if "@" in text:
        local, _, domain = text.rpartition("@")
        return f"{local[0] if len(local) > 1 else ''}***@{domain}"
    number = phonenumbers.parse(text)
    country, _, national = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL).partition(" ")
    digits = [index for index, character in enumerate(national) if character.isdigit()]
    first_group = len(re.match(r"[0-9]*", national)[0])  # type: ignore[index]  # an empty match is a match
    hidden = set(digits[first_group if len(digits) - first_group > len("0012") else 0 : -4])
    return f"{country} {''.join('*' if index in hidden else each for index, each in enumerate(national))}"


def _parsed(text: str, home: str) -> phonenumbers.PhoneNumber:
    # Numbers copied out of an address book come wrapped in invisible marks of direction (category Cf).
    visible = "".join(each for each in text if unicodedata.category(each) != "Cf")
    plain = unicodedata.normalize("NFKC", visible).strip()
    if len(plain) > LONGEST_PHONE_TEXT or not _PHONE.fullmatch(plain):
        raise PhoneInvalid
    try:
        return phonenumbers.parse(plain, home)
    except phonenumbers.NumberParseException:
        # Its text may quote the number.
        raise PhoneInvalid from None


def _domain(text: str) -> str:
    try:
        domain = idna.encode(text, uts46=True).decode("ascii")
    except UnicodeError:
        raise EmailInvalid from None
    labels = domain.split(".")
    if len(labels) == 1 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        raise EmailInvalid
    return domain


__all__ = [
    "EmailInvalid",
    "Phone",
    "PhoneCountryNotServed",
    "PhoneInvalid",
    "PhoneNotMobile",
    "masked",
    "normalise_email",
    "normalise_phone",
]
