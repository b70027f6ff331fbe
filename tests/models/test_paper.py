"""Which papers are wanted of whom, what a machine sees wrong with one, and that a paper is a fact."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from models.case_policy import CasePolicy
from models.errors import IllegalMove
from models.paper import (
    ALTERNATIVES,
    DATED,
    ORIGINALS,
    SATISFIES,
    Flaw,
    ItemKind,
    Paper,
    PaperKind,
    Seen,
    Standing,
    all_good,
    all_there,
    flaws_at_sight,
    items_for,
)
from models.period import last_day_of_months
from tests.models.case_world import CASE, PAPER, an_item, write

POLICY = CasePolicy()
ARRIVED_ON = date(2016, 5, 31)
FRESH = date(2016, 5, 2)
PLEDGE = "2"
FOUR = (
    ItemKind.CERTIFICATE_OF_RESIDENCE,
    ItemKind.LICENCE_OR_PASSPORT,
    ItemKind.PLEDGE,
    ItemKind.SEAL_CERTIFICATE,
)
ANOTHER_PAPER = UUID(int=9)


def seen(kind: PaperKind, **changes: Any) -> Seen:
    """Return a paper with which nothing is wrong."""
    plain: dict[str, Any] = {
        "kind": kind,
        "is_original": True,
        "issued_on": FRESH,
        "pledge_version": PLEDGE if kind is PaperKind.PLEDGE else None,
        "states_neither": kind in ALTERNATIVES,
    }
    return Seen(**(plain | changes))


def flaws(item: ItemKind, paper: Seen, arrived_on: date = ARRIVED_ON) -> list[Flaw]:
    return flaws_at_sight(item, paper, arrived_on=arrived_on, pledge=PLEDGE, policy=POLICY)


# What is wanted


def test_an_individual_sends_four_papers() -> None:
    """D30: 書類4点."""
    assert items_for(is_shop=False) == FOUR


def test_a_shop_sends_its_representatives_papers_and_what_ties_the_two() -> None:
    """D31: 楽オクショップ様の場合、代表者個人の."""
    assert items_for(is_shop=True) == (*FOUR, ItemKind.REPRESENTATIVE_TIE)


def test_every_item_can_be_satisfied_and_every_paper_is_of_use() -> None:
    assert set(SATISFIES) == set(ItemKind)
    assert all(SATISFIES.values())
    assert frozenset().union(*SATISFIES.values()) == set(PaperKind)


@pytest.mark.parametrize(("item", "kind"), [(item, kind) for item in FOUR for kind in sorted(SATISFIES[item])])
def test_nothing_is_wrong_with_the_right_paper(item: ItemKind, kind: PaperKind) -> None:
    assert flaws(item, seen(kind)) == []


@pytest.mark.parametrize(("item", "kind"), [(item, kind) for item in FOUR for kind in PaperKind])
def test_a_paper_stands_for_no_item_but_its_own(item: ItemKind, kind: PaperKind) -> None:
    assert (Flaw.WRONG_KIND in flaws(item, seen(kind))) is (kind not in SATISFIES[item])


@pytest.mark.parametrize("kind", sorted(ALTERNATIVES))
def test_an_alternative_is_taken_only_from_who_states_to_have_neither_licence_nor_passport(kind: PaperKind) -> None:
    """D35: 所持していない場合は."""
    assert flaws(ItemKind.LICENCE_OR_PASSPORT, seen(kind, states_neither=False)) == [Flaw.WRONG_KIND]


@pytest.mark.parametrize(
    "kind",
    list(PaperKind),
)
def test_what_is_asked_for_besides_may_be_any_paper(kind: PaperKind) -> None:
    """D28: その他別途当社が要求する書面."""
    assert flaws(ItemKind.OTHER, seen(kind, is_original=False, states_neither=False)) == []


@pytest.mark.parametrize("item", FOUR)
def test_a_copy_never_completes_what_must_be_an_original(item: ItemKind) -> None:
    """D33: コピー不可; of the second paper a copy is what is asked for (D34)."""
    copy = seen(min(SATISFIES[item] - ALTERNATIVES), is_original=False)

    assert (flaws(item, copy) == [Flaw.COPY_NOT_ALLOWED]) is (item in ORIGINALS)
    assert (item in ORIGINALS) is (item is not ItemKind.LICENCE_OR_PASSPORT)


# How old it may be (A8)


@pytest.mark.parametrize(
    ("issued_on", "outdated", "why"),
    [
        (date(2016, 2, 29), False, "three months from a leap day end on 31 May"),
        (date(2016, 2, 28), True, "three months from the day before end on 28 May"),
        (ARRIVED_ON, False, "it came on the day on which it was issued"),
        (ARRIVED_ON + timedelta(days=1), True, "nothing is issued after it came"),
        (None, True, "without a date nobody can tell"),
    ],
)
@pytest.mark.parametrize("item", [ItemKind.CERTIFICATE_OF_RESIDENCE, ItemKind.SEAL_CERTIFICATE])
def test_a_certificate_is_fresh_for_three_months(
    item: ItemKind, issued_on: date | None, outdated: bool, why: str
) -> None:
    certificate = seen(min(SATISFIES[item]), issued_on=issued_on)

    assert flaws(item, certificate) == ([Flaw.OUTDATED] if outdated else []), why


@given(st.dates(date(2010, 1, 1), date(2030, 1, 1)), st.integers(-400, 400))
def test_a_certificate_is_fresh_from_its_issue_to_the_last_day_of_its_months(issued_on: date, later: int) -> None:
    certificate = seen(PaperKind.CERTIFICATE_OF_RESIDENCE, issued_on=issued_on)
    arrived_on = issued_on + timedelta(days=later)

    is_fresh = flaws(ItemKind.CERTIFICATE_OF_RESIDENCE, certificate, arrived_on) == []

    assert is_fresh is (issued_on <= arrived_on <= last_day_of_months(issued_on, POLICY.certificate_months))


@pytest.mark.parametrize("kind", sorted(set(PaperKind) - DATED))
def test_no_age_is_asked_of_other_papers(kind: PaperKind) -> None:
    assert Flaw.OUTDATED not in flaws(ItemKind.OTHER, seen(kind, issued_on=None))


# What else can be seen


@pytest.mark.parametrize(
    ("applied_on", "found"),
    [
        (date(2020, 2, 3), []),
        (date(2020, 2, 4), [Flaw.WRONG_KIND]),
        (date(2024, 1, 1), [Flaw.WRONG_KIND]),
        (None, []),  # a person looks whether there is a page for the address
    ],
)
def test_a_passport_without_a_page_for_the_address_proves_none(applied_on: date | None, found: list[Flaw]) -> None:
    """A21: passports applied for from 4 February 2020 on have none."""
    assert flaws(ItemKind.LICENCE_OR_PASSPORT, seen(PaperKind.PASSPORT, applied_on=applied_on)) == found


@pytest.mark.parametrize("version", ["1", "", None])
def test_a_pledge_in_other_words_than_those_issued_is_an_old_one(version: str | None) -> None:
    """D36: 弊社がご案内予定の文面."""
    assert flaws(ItemKind.PLEDGE, seen(PaperKind.PLEDGE, pledge_version=version)) == [Flaw.OLD_PLEDGE]


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"forbidden_data_visible": True}, Flaw.FORBIDDEN_DATA_VISIBLE),  # S10
        ({"address_equal": False}, Flaw.ADDRESS_DIFFERS),  # D34
        ({"seal_matches": False}, Flaw.SEAL_DIFFERS),  # D37
    ],
)
@pytest.mark.parametrize("item", FOUR)
def test_what_the_mail_room_sees_is_found(item: ItemKind, change: dict[str, bool], found: Flaw) -> None:
    assert flaws(item, seen(min(SATISFIES[item]), **change)) == [found]


def test_what_the_mail_room_did_not_compare_is_left_to_the_reviewer() -> None:
    paper = seen(PaperKind.DRIVING_LICENCE, address_equal=None, seal_matches=None)

    assert flaws(ItemKind.LICENCE_OR_PASSPORT, paper) == []


def test_all_that_is_wrong_is_found_and_each_thing_once() -> None:
    worst = seen(
        PaperKind.PASSPORT,
        is_original=False,
        applied_on=date(2021, 1, 1),
        forbidden_data_visible=True,
        address_equal=False,
    )

    assert flaws(ItemKind.CERTIFICATE_OF_RESIDENCE, worst) == [
        Flaw.WRONG_KIND,
        Flaw.COPY_NOT_ALLOWED,
        Flaw.FORBIDDEN_DATA_VISIBLE,
        Flaw.ADDRESS_DIFFERS,
    ]


# An item and what becomes of it


@pytest.mark.parametrize(
    ("found", "standing"), [((), Standing.ARRIVED), ((Flaw.OUTDATED, Flaw.ADDRESS_DIFFERS), Standing.DEFICIENT)]
)
def test_an_item_stands_as_its_paper_looks(found: tuple[Flaw, ...], standing: Standing) -> None:
    item = an_item()

    item.arrive(PAPER, found)

    assert (item.standing, item.paper_id, item.flaws) == (standing, PAPER, [str(flaw) for flaw in found])


def test_a_good_paper_mends_a_deficient_item() -> None:
    item = an_item(standing=Standing.DEFICIENT, flaws=[str(Flaw.NOT_SEALED)])

    item.arrive(ANOTHER_PAPER, ())

    assert (item.standing, item.paper_id, item.flaws) == (Standing.ARRIVED, ANOTHER_PAPER, [])


@pytest.mark.parametrize("standing", [Standing.ACCEPTED, Standing.WAIVED])
@pytest.mark.parametrize("found", [(), (Flaw.OUTDATED,)])
def test_a_later_paper_undoes_nothing_that_was_accepted(standing: Standing, found: tuple[Flaw, ...]) -> None:
    item = an_item(standing=standing, paper_id=PAPER)

    item.arrive(ANOTHER_PAPER, found)

    assert (item.standing, item.paper_id, item.flaws) == (standing, PAPER, [])


def test_a_worse_paper_does_not_displace_a_better_one() -> None:
    item = an_item(standing=Standing.ARRIVED, paper_id=PAPER)

    item.arrive(ANOTHER_PAPER, [Flaw.COPY_NOT_ALLOWED])

    assert (item.standing, item.paper_id) == (Standing.ARRIVED, PAPER)


def test_a_paper_that_looks_good_is_accepted() -> None:
    item = an_item(standing=Standing.ARRIVED)

    item.accept()

    assert (item.standing, item.is_good) == (Standing.ACCEPTED, True)


def test_accepting_twice_is_accepting() -> None:
    item = an_item(standing=Standing.ACCEPTED)

    item.accept()

    assert item.standing is Standing.ACCEPTED


@pytest.mark.parametrize("standing", [Standing.AWAITED, Standing.DEFICIENT, Standing.WAIVED])
def test_there_is_nothing_to_accept(standing: Standing) -> None:
    item = an_item(standing=standing)

    with pytest.raises(IllegalMove):
        item.accept()

    assert item.standing is standing


@pytest.mark.parametrize("standing", [Standing.AWAITED, Standing.ARRIVED, Standing.ACCEPTED, Standing.DEFICIENT])
def test_a_reviewer_finds_something_wrong_and_each_thing_once(standing: Standing) -> None:
    item = an_item(standing=standing)

    item.find([Flaw.SEAL_DIFFERS, Flaw.NOT_SIGNED, Flaw.SEAL_DIFFERS])

    assert (item.standing, item.flaws) == (Standing.DEFICIENT, ["seal_differs", "not_signed"])


def test_who_finds_nothing_wrong_names_nothing_and_is_refused() -> None:
    item = an_item(standing=Standing.ARRIVED)

    with pytest.raises(IllegalMove):
        item.find([])

    assert item.standing is Standing.ARRIVED


@pytest.mark.parametrize("standing", Standing)
def test_an_applicant_is_not_told_what_a_reviewer_found_good(standing: Standing) -> None:
    """D50: who sees one paper accepted would guess at the reason of a refusal."""
    told = Standing.ARRIVED if standing is Standing.ACCEPTED else standing

    assert an_item(standing=standing).told_standing is told


# The whole list


@pytest.mark.parametrize(
    ("standing", "is_there", "is_good"),
    [
        (Standing.AWAITED, False, False),
        (Standing.DEFICIENT, False, False),
        (Standing.ARRIVED, True, False),
        (Standing.ACCEPTED, True, True),
        (Standing.WAIVED, True, True),
    ],
)
def test_one_item_decides_about_the_whole_list(standing: Standing, is_there: bool, is_good: bool) -> None:
    items = [an_item(standing=Standing.ACCEPTED), an_item(standing=standing), an_item(standing=Standing.ACCEPTED)]

    assert (all_there(items), all_good(items)) == (is_there, is_good)


def test_an_empty_list_is_nobodys_complete_set() -> None:
    assert not all_there([])
    assert not all_good([])


@given(st.lists(st.sampled_from(Standing), min_size=1))
def test_a_good_list_is_a_complete_one(standings: list[Standing]) -> None:
    items = [an_item(standing=standing) for standing in standings]

    assert all_there(items) or not all_good(items)


# What a paper is kept as


def paper(**columns: Any) -> Paper:
    plain: dict[str, Any] = {
        "id": PAPER,
        "case_id": CASE,
        "once_key": "2030-0001",
        "kind": PaperKind.PLEDGE,
        "is_original": True,
        "states_neither": False,
        "forbidden_data_visible": False,
        "arrived_at": datetime(2030, 6, 30, 14, 59, tzinfo=UTC),
        "recorded_by": "person:mail-room",
        "shelf": "A-1",
        "postage_due_yen": 0,
    }
    return Paper(**(plain | columns))


def test_a_paper_comes_on_a_day_in_japan() -> None:
    assert paper().arrived_on == date(2030, 6, 30)
    assert paper(arrived_at=datetime(2030, 6, 30, 15, tzinfo=UTC)).arrived_on == date(2030, 7, 1)


def test_all_that_was_seen_on_a_paper_is_read_from_what_is_kept() -> None:
    whole = Seen(
        kind=PaperKind.HEALTH_INSURANCE_CARD,
        is_original=False,
        issued_on=FRESH,
        applied_on=ARRIVED_ON,
        pledge_version="3",
        states_neither=True,
        forbidden_data_visible=True,
        address_equal=False,
        seal_matches=True,
    )

    assert paper(**vars(whole)).seen == whole


def test_nothing_is_kept_of_a_paper_that_may_not_be() -> None:
    """S10: no place for a personal number, an insurance number or a registered domicile."""
    columns = {column.key for column in Paper.__table__.columns}

    assert columns - set(vars(seen(PaperKind.PLEDGE))) == {
        "id",
        "case_id",
        "item_id",
        "once_key",
        "arrived_at",
        "recorded_by",
        "shelf",
        "postage_due_yen",
        "destroyed_at",
        "destroyed_by",
        "destroyed_with",
    }


@pytest.mark.parametrize(
    "columns",
    [
        {"destroyed_by": "person:a"},
        {"destroyed_by": "person:a", "destroyed_with": "person:a"},
        {"destroyed_with": "person:b"},
        {},
    ],
)
def test_the_database_refuses_a_destruction_that_two_persons_did_not_see(columns: dict[str, str]) -> None:
    with pytest.raises(IntegrityError, match="two_persons_destroy"):
        write(paper(destroyed_at=datetime(2031, 1, 1, tzinfo=UTC), **columns))


def test_two_persons_destroy_a_paper() -> None:
    write(paper(destroyed_at=datetime(2031, 1, 1, tzinfo=UTC), destroyed_by="person:a", destroyed_with="person:b"))


def test_a_paper_with_one_number_is_kept_once_for_a_case() -> None:
    with pytest.raises(IntegrityError, match="once_key"):
        write(paper(), paper(id=ANOTHER_PAPER))
