"""Derived keys: one secret, many uses that know nothing of each other."""

import hashlib
import hmac

import pytest

from worker import derived_keys
from worker.settings import settings

SECRET, OTHER_SECRET = "first-secret-" * 3, "other-secret-" * 3


@pytest.fixture(autouse=True)
def secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SECRET_KEY", SECRET)


def test_a_key_is_hkdf_of_the_secret_with_the_label_as_info() -> None:
    extracted = hmac.digest(bytes(32), SECRET.encode(), hashlib.sha256)
    expanded = hmac.digest(extracted, b"codes\x01", hashlib.sha256)

    assert derived_keys.derived("codes") == expanded


def test_every_label_has_a_key_of_its_own() -> None:
    assert derived_keys.derived("codes") != derived_keys.derived("links")


def test_without_a_rotation_there_is_no_previous_key() -> None:
    assert derived_keys.previous("codes") is None
    assert derived_keys.valid("codes") == (derived_keys.derived("codes"),)


def test_during_a_rotation_the_previous_key_is_what_was_derived_before(environment: pytest.MonkeyPatch) -> None:
    before = derived_keys.derived("codes")
    environment.setenv("SECRET_KEY", OTHER_SECRET)
    environment.setenv("SECRET_KEY_PREVIOUS", SECRET)
    settings.cache_clear()

    assert derived_keys.previous("codes") == before
    assert derived_keys.valid("codes") == (derived_keys.derived("codes"), before)


def test_a_secret_that_is_too_short_stops_the_process_without_showing_itself(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SECRET_KEY", "canary")
    settings.cache_clear()

    with pytest.raises(ValueError, match="secret_key") as caught:
        settings()

    assert "canary" not in str(caught.value)


def test_equal_parts_have_equal_fingerprints() -> None:
    assert derived_keys.fingerprint("contacts", "vicky", "+819000001234") == derived_keys.fingerprint(
        "contacts", b"vicky", b"+819000001234"
    )


@pytest.mark.parametrize(
    ("label", "parts", "why"),
    [
        ("contacts", ("ab", "cd"), "the same letters, parted elsewhere"),
        ("contacts", ("abcd",), "the same letters in one part"),
        ("contacts", ("abc", "d", ""), "an empty part more"),
        ("contacts", ("d", "abc"), "another order"),
        ("addresses", ("abc", "d"), "another use"),
    ],
)
def test_whatever_differs_has_another_fingerprint(label: str, parts: tuple[str, ...], why: str) -> None:
    assert derived_keys.fingerprint(label, *parts) != derived_keys.fingerprint("contacts", "abc", "d"), why


def test_a_fingerprint_fits_its_column() -> None:
    fingerprint = derived_keys.fingerprint("contacts", "+819000001234")

    assert len(fingerprint) == 64
    assert int(fingerprint, 16)
