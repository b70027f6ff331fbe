"""What left the house stays as it left: one release for a decision, a letter printed once, a notice that arrived."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from models.decision import Stage
from models.disclosure import Party
from models.errors import IllegalMove
from models.notice import Notice
from models.release import Letter, Release
from tests.models.case_world import CASE, DECISION, FILED_AT, OTHER_CASE, RELEASE, values_of, write

LATER = FILED_AT + timedelta(hours=1)
MUCH_LATER = FILED_AT + timedelta(days=9)
ANOTHER = UUID(int=99)


def letter(**columns: Any) -> Letter:
    plain: dict[str, Any] = {
        "id": UUID(int=11),
        "case_id": CASE,
        "decision_id": DECISION,
        "digest": "a" * 64,
        "serial": 1,
        "sha256": "b" * 64,
        "by_hand": [],
        "rendered_at": FILED_AT,
    }
    return Letter(**(plain | columns))


def printed(of: Letter) -> None:
    of.print_once(by="person:mail-room", at=LATER)


def spoiled(of: Letter) -> None:
    of.spoil(by="person:mail-room", at=LATER)


def posted(of: Letter) -> None:
    of.dispatch(by="person:mail-room", at=LATER, tracking_number="1234-5678-9012")


# The letter


def test_a_letter_is_printed_and_posted() -> None:
    it = letter()

    printed(it)
    posted(it)

    assert (it.printed_at, it.printed_by) == (LATER, "person:mail-room")
    assert (it.dispatched_at, it.dispatched_by, it.tracking_number) == (LATER, "person:mail-room", "1234-5678-9012")


def test_a_print_that_failed_is_spoiled() -> None:
    it = letter()

    printed(it)
    spoiled(it)

    assert (it.spoiled_at, it.spoiled_by, it.dispatched_at) == (LATER, "person:mail-room", None)


@pytest.mark.parametrize(
    ("before", "then", "why"),
    [
        ((), spoiled, "there is no print to spoil"),
        ((), posted, "there is no print to post"),
        ((printed,), printed, "it is printed once"),
        ((printed, spoiled), printed, "the next print is the next letter"),
        ((printed, spoiled), spoiled, "it is spoiled already"),
        ((printed, spoiled), posted, "what was shredded is not posted"),
        ((printed, posted), printed, "it is on its way"),
        ((printed, posted), spoiled, "it is on its way"),
        ((printed, posted), posted, "it is on its way"),
    ],
)
def test_a_letter_refuses(
    before: tuple[Callable[[Letter], None], ...], then: Callable[[Letter], None], why: str
) -> None:
    it = letter()
    for step in before:
        step(it)
    stood = values_of(it)

    with pytest.raises(IllegalMove):
        then(it)

    assert values_of(it) == stood, why


def test_the_database_keeps_one_letter_of_a_case_that_is_not_spoiled() -> None:
    with pytest.raises(IntegrityError, match="letters"):
        write(letter(), letter(id=ANOTHER, serial=2))


def test_a_letter_follows_one_that_was_spoiled() -> None:
    write(letter(printed_at=LATER, spoiled_at=LATER), letter(id=ANOTHER, serial=2))


def test_each_case_has_its_own_letter() -> None:
    write(letter(), letter(id=ANOTHER, case_id=OTHER_CASE))


# The release


def test_one_decision_makes_one_release() -> None:
    columns: dict[str, Any] = {
        "case_id": CASE,
        "decision_id": DECISION,
        "stage": Stage.ADDRESSES,
        "released_at": FILED_AT,
    }

    with pytest.raises(IntegrityError, match="decision_id"):
        write(Release(id=RELEASE, **columns), Release(id=ANOTHER, **columns))


# The notice (D54)


def notice() -> Notice:
    return Notice(message_id=UUID(int=12), case_id=CASE, party=Party.APPLICANT, case_version=1, written_at=FILED_AT)


def test_a_notice_is_released_once() -> None:
    it = notice()

    answers = [it.release(at=FILED_AT), it.release(at=LATER)]

    assert (answers, it.released_at) == ([True, False], FILED_AT)


def test_what_the_vendor_took_is_deemed_to_have_arrived_when_mail_usually_arrives() -> None:
    it = notice()

    assert it.accept(at=FILED_AT, delay=timedelta(hours=1))
    assert (it.accepted_at, it.deemed_arrived_at) == (FILED_AT, FILED_AT + timedelta(hours=1))


@pytest.mark.parametrize(
    "first",
    [
        lambda it: it.accept(at=FILED_AT, delay=timedelta(hours=1)),
        lambda it: it.deem_arrived(at=FILED_AT),
    ],
    ids=["accepted", "deemed"],
)
@pytest.mark.parametrize(
    "second",
    [
        lambda it: it.accept(at=MUCH_LATER, delay=timedelta(hours=1)),
        lambda it: it.deem_arrived(at=MUCH_LATER),
    ],
    ids=["accepted", "deemed"],
)
def test_an_arrival_is_fixed_once(first: Callable[[Notice], bool], second: Callable[[Notice], bool]) -> None:
    it = notice()
    first(it)
    before = values_of(it)

    assert not second(it)
    assert values_of(it) == before


def test_a_bounce_does_not_undo_an_arrival() -> None:
    it = notice()
    it.accept(at=FILED_AT, delay=timedelta(hours=1))

    it.undeliverable_at = LATER

    assert it.deemed_arrived_at == FILED_AT + timedelta(hours=1)
