"""Links: forty characters, one role and one revision each, and nothing forged is ever read."""

from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.booking import Booking, Side
from models.shop import Shop
from worker import links
from worker.links import Link, LinkRole
from worker.settings import settings

BOOKING_ID = UUID("0192f3a0-1111-7222-8333-444455556666")
OLD_SECRET, NEW_SECRET = "old-" * 8, "new-" * 8
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture(autouse=True)
def secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SECRET_KEY", OLD_SECRET)
    environment.setenv("PUBLIC_URL", "https://vc.example.jp/")


def booking(revision: int = 3) -> Booking:
    return Booking(id=BOOKING_ID, revision=revision)


def token_in(url: str) -> str:
    return url.rpartition("/")[2]


@pytest.mark.parametrize("role", LinkRole)
@pytest.mark.parametrize("revision", [0, 1, 255])
def test_a_token_says_again_what_it_was_made_of(role: LinkRole, revision: int) -> None:
    token = links.token(role, BOOKING_ID, revision)

    assert links.read(token) == Link(role=role, subject_id=BOOKING_ID, revision=revision)


def test_a_token_is_forty_characters_that_need_no_escape_in_a_url() -> None:
    token = links.token(LinkRole.CUSTOMER_CALL, BOOKING_ID, 1)

    assert len(token) == 40
    assert set(token) <= set(ALPHABET)


def test_every_role_has_a_token_of_its_own() -> None:
    tokens = {links.token(role, BOOKING_ID, 1) for role in LinkRole}

    assert len(tokens) == len(LinkRole)


def test_the_numbers_of_the_roles_never_change_because_they_are_in_links_that_were_sent() -> None:
    assert {role.name: int(role) for role in LinkRole} == {
        "CUSTOMER_CALL": 1,
        "STAFF_CALL": 2,
        "BOOKING_PAGE": 3,
        "CODE_PAGE": 4,
        "CALL_NOW_CUSTOMER": 5,
        "CALL_NOW_STAFF": 6,
        "CALLER_PAGE": 7,
    }


@pytest.mark.parametrize("revision", [-1, 256])
def test_a_revision_that_does_not_fit_is_an_error_and_not_another_revision(revision: int) -> None:
    with pytest.raises(ValueError, match="one byte"):
        links.token(LinkRole.CUSTOMER_CALL, BOOKING_ID, revision)


@pytest.mark.parametrize("place", range(40))
def test_a_token_with_any_character_changed_is_not_ours(place: int) -> None:
    token = links.token(LinkRole.BOOKING_PAGE, BOOKING_ID)
    other = ALPHABET[(ALPHABET.index(token[place]) + 1) % 64]

    assert links.read(token[:place] + other + token[place + 1 :]) is None


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("", "nothing"),
        ("A" * 39, "too short"),
        ("A" * 41, "too long"),
        ("A" * 40, "not signed"),
        ("+" * 40, "the other base64"),
        ("=" * 40, "padding only"),
        ("A" * 38 + "==", "padding at the end"),
        ("!" * 40, "not base64"),
        ("あ" * 40, "not ASCII"),
        ("A" * 39 + "\n", "a line end"),
        (" " * 40, "spaces"),
        ("\x00" * 40, "control characters"),
        ("\ud800" * 40, "half a character"),
    ],
)
def test_whatever_is_no_token_reads_as_none(given: str, why: str) -> None:
    assert links.read(given) is None, why


@given(st.text(min_size=0, max_size=60))
def test_no_text_makes_reading_fail(given: str) -> None:
    assert links.read(given) is None


def test_a_token_with_a_line_end_after_it_is_not_ours() -> None:
    assert links.read(links.token(LinkRole.BOOKING_PAGE, BOOKING_ID) + "\n") is None


def test_a_token_made_under_another_secret_is_not_ours(environment: pytest.MonkeyPatch) -> None:
    token = links.token(LinkRole.BOOKING_PAGE, BOOKING_ID)
    environment.setenv("SECRET_KEY", NEW_SECRET)
    settings.cache_clear()

    assert links.read(token) is None


def test_links_in_messages_that_were_sent_survive_a_rotation_of_the_secret(environment: pytest.MonkeyPatch) -> None:
    token = links.token(LinkRole.BOOKING_PAGE, BOOKING_ID)
    environment.setenv("SECRET_KEY", NEW_SECRET)
    environment.setenv("SECRET_KEY_PREVIOUS", OLD_SECRET)
    settings.cache_clear()

    assert links.read(token) == Link(LinkRole.BOOKING_PAGE, BOOKING_ID, 0)
    assert links.token(LinkRole.BOOKING_PAGE, BOOKING_ID) != token


def test_the_call_link_is_bound_to_the_revision() -> None:
    before, after = links.call_url(booking(1), Side.CUSTOMER), links.call_url(booking(2), Side.CUSTOMER)

    assert before != after
    assert links.read(token_in(after)) == Link(LinkRole.CUSTOMER_CALL, BOOKING_ID, 2)


def test_staff_and_customer_get_different_roles() -> None:
    staff = links.read(token_in(links.call_url(booking(), Side.STAFF)))

    assert staff == Link(LinkRole.STAFF_CALL, BOOKING_ID, 3)


def test_the_booking_page_link_stays_the_same_through_changes() -> None:
    assert links.booking_page_url(booking(1)) == links.booking_page_url(booking(2))


@pytest.mark.parametrize(
    ("url", "start"),
    [
        (lambda: links.call_url(booking(), Side.CUSTOMER), "https://vc.example.jp/c/"),
        (lambda: links.call_url(booking(), Side.STAFF), "https://vc.example.jp/c/"),
        (lambda: links.booking_page_url(booking()), "https://vc.example.jp/b/"),
        (lambda: links.code_page_url(booking()), "https://vc.example.jp/v/"),
    ],
)
def test_each_link_leads_to_its_page_under_the_public_address(url: Callable[[], str], start: str) -> None:
    made = url()

    assert made.startswith(start)
    assert len(made) == len(start) + 40


def test_a_shop_with_a_booking_page_of_its_own_is_linked_there() -> None:
    own = Shop(id="vicky", booking_page_url="https://vicky.example.jp/book")

    assert links.shop_page_url(own) == "https://vicky.example.jp/book"


def test_a_shop_without_one_is_linked_to_ours() -> None:
    assert links.shop_page_url(Shop(id="vicky")) == "https://vc.example.jp/s/vicky"
