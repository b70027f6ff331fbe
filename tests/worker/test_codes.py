"""Codes: six digits that depend on the verification and on the secret, and how forgiving the comparison is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from models.customer import Channel
from models.verification import Purpose, Verification
from worker import codes
from worker.settings import settings

SENT_AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
OLD_SECRET, NEW_SECRET = "old-" * 8, "new-" * 8


def verification(number: int = 1, generation: int = 1) -> Verification:
    begun = Verification.begin(
        now=SENT_AT,
        life=timedelta(minutes=10),
        cap=timedelta(minutes=20),
        id=UUID(int=number),
        purpose=Purpose.BOOKING,
        subject_id=UUID(int=7),
        channel=Channel.SMS,
    )
    begun.generation = generation
    return begun


@pytest.fixture(autouse=True)
def secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SECRET_KEY", OLD_SECRET)


def full_width(text: str) -> str:
    return "".join(chr(ord(letter) + 0xFEE0) for letter in text)


def test_a_code_has_six_digits_even_if_it_begins_with_zeros() -> None:
    many = [codes.code(verification(number)) for number in range(300)]

    assert all(len(code) == 6 and code.isascii() and code.isdecimal() for code in many)
    assert any(code.startswith("0") for code in many)


def test_codes_use_all_digits_in_every_place() -> None:
    many = [codes.code(verification(number)) for number in range(300)]

    assert all({code[place] for code in many} == set("0123456789") for place in range(6))


def test_the_same_verification_has_the_same_code_wherever_it_is_derived() -> None:
    first = codes.code(verification())
    settings.cache_clear()

    assert codes.code(verification()) == first


def test_another_verification_has_another_code() -> None:
    assert codes.code(verification(1)) != codes.code(verification(2))


def test_another_generation_has_another_code() -> None:
    assert codes.code(verification(generation=1)) != codes.code(verification(generation=2))


def test_another_secret_makes_another_code(environment: pytest.MonkeyPatch) -> None:
    before = codes.code(verification())
    environment.setenv("SECRET_KEY", NEW_SECRET)
    settings.cache_clear()

    assert codes.code(verification()) != before


def test_the_code_of_an_older_generation_is_wrong() -> None:
    replaced = codes.code(verification(generation=1))

    assert not codes.matches(verification(generation=2), replaced)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (lambda code: code, "as it was sent"),
        (full_width, "a Japanese keyboard in full-width mode"),
        (lambda code: f"  {code}\n", "pasted with what stood around it"),
        (lambda code: f"\N{IDEOGRAPHIC SPACE}{full_width(code)}\N{IDEOGRAPHIC SPACE}", "full-width spaces"),
        (lambda code: f"{code[:3]}-{code[3:]}", "grouped by a hyphen"),
        (lambda code: f"{code[:3]} {code[3:]}", "grouped by a space"),
        (lambda code: f"{full_width(code[:3])}－{full_width(code[3:])}", "grouped by a full-width hyphen"),
        (lambda code: f"{full_width(code[:3])}ー{full_width(code[3:])}", "the long-vowel mark beside the zero key"),
    ],
)
def test_a_right_code_is_right_however_it_is_written(written: Callable[[str], str], why: str) -> None:
    code = codes.code(verification())

    assert codes.matches(verification(), written(code)), why


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (lambda _: "", "nothing"),
        (lambda _: "      ", "only spaces"),
        (lambda code: code[:5], "five digits"),
        (lambda code: code + "0", "seven digits"),
        (lambda code: "0" + code, "a digit before it"),
        (lambda code: code[:5] + str((int(code[5]) + 1) % 10), "one digit off"),
        (lambda code: code[::-1] + "x", "letters"),
        (lambda code: f"+{code}", "a sign"),
        (lambda code: "".join(chr(0x0660 + int(digit)) for digit in code), "digits of another script"),
        (lambda code: "".join(chr(0x1D7CE + int(digit)) for digit in code), "mathematical digits"),
        (lambda code: code + " " * 1_000_000, "a megabyte of padding"),
        (lambda code: "\x00" + code, "a control character"),
    ],
)
def test_whatever_is_not_the_six_digits_is_wrong(given: Callable[[str], str], why: str) -> None:
    code = codes.code(verification())

    assert not codes.matches(verification(), given(code)), why


def test_a_code_sent_before_a_rotation_of_the_secret_is_still_right(environment: pytest.MonkeyPatch) -> None:
    sent = codes.code(verification())
    environment.setenv("SECRET_KEY", NEW_SECRET)
    environment.setenv("SECRET_KEY_PREVIOUS", OLD_SECRET)
    settings.cache_clear()

    assert codes.matches(verification(), sent)
    assert codes.matches(verification(), codes.code(verification()))


def test_a_code_sent_before_a_rotation_is_wrong_once_the_rotation_is_over(environment: pytest.MonkeyPatch) -> None:
    sent = codes.code(verification())
    environment.setenv("SECRET_KEY", NEW_SECRET)
    environment.setenv("SECRET_KEY_PREVIOUS", "")
    settings.cache_clear()

    assert not codes.matches(verification(), sent)
