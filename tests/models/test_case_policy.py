"""The rules of disclosure cases: their defaults, what contradicts itself, when the service ends; what is charged."""

import re
from dataclasses import FrozenInstanceError, asdict, fields, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.calendar import RuleError
from models.case_policy import FIELDS, PRESETS, CasePolicy
from models.fee import Payment, lines_for, paid_in_time

MOMENT = timedelta(microseconds=1)
TOKYO = ZoneInfo("Asia/Tokyo")
END = datetime(2016, 10, 31, tzinfo=TOKYO)
POLICY = CasePolicy()

NUMBERS = [each.name for each in fields(CasePolicy) if each.type in {int, "int"}]


# Reading it


def test_an_empty_object_changes_nothing() -> None:
    assert CasePolicy.parse({}) == POLICY


def test_what_is_given_departs_from_the_defaults_and_the_rest_stays() -> None:
    given = {"papers_days": 45, "papers_reminders": [30, 2], "seller_told_after": True, "disclosable": ["name"]}

    policy = CasePolicy.parse(given)

    assert policy == replace(
        POLICY, papers_days=45, papers_reminders=(30, 2), seller_told_after=True, disclosable=("name",)
    )


def test_a_preset_is_a_beginning_from_which_one_may_depart() -> None:
    policy = CasePolicy.parse({"preset": "end-of-2016", "wind_down_days": 30})

    assert (policy.service_ends_on, policy.wind_down_days) == (date(2016, 10, 31), 30)


def test_what_is_given_wins_over_the_preset() -> None:
    assert CasePolicy.parse({"preset": "end-of-2016", "service_ends_on": None}).service_ends_on is None


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_loads(preset: str) -> None:
    assert asdict(CasePolicy.parse({"preset": preset})).items() >= PRESETS[preset].items()


def test_reading_changes_nothing_of_what_was_given() -> None:
    given = {"preset": "end-of-2016", "papers_reminders": [3], "service_ends_on": "2017-01-31"}
    before = dict(given)

    CasePolicy.parse(given)

    assert given == before


@pytest.mark.parametrize(
    ("given", "at", "why"),
    [
        ([], "", "a list is no object"),
        (None, "", "nothing is no object"),
        ({"preset": "end-of-2038"}, "/preset", "it is not known"),
        ({"papers_day": 30}, "/papers_day", "a slip of the pen would leave the default in force"),
        ({"papers_days": "30"}, "/papers_days", "text is no number"),
        ({"papers_days": 30.0}, "/papers_days", "days are whole"),
        ({"papers_days": True}, "/papers_days", "a switch is no number"),
        ({"papers_days": None}, "/papers_days", "a period cannot be taken away"),
        ({"seller_told_after": 1}, "/seller_told_after", "a number is no switch"),
        ({"papers_reminders": 7}, "/papers_reminders", "one number is no list"),
        ({"papers_reminders": ["7"]}, "/papers_reminders", "a list of numbers"),
        ({"papers_reminders": [True]}, "/papers_reminders", "a list of numbers, not of switches"),
        ({"disclosable": "name"}, "/disclosable", "one name is no list"),
        ({"service_ends_on": "soon"}, "/service_ends_on", "it is no date"),
        ({"service_ends_on": "2016-02-30"}, "/service_ends_on", "there is no such day"),
        ({"service_ends_on": "2016-10-31T00:00:00"}, "/service_ends_on", "an instant is no day"),
    ],
)
def test_a_policy_that_cannot_be_read_names_the_field(given: object, at: str, why: str) -> None:
    with pytest.raises(RuleError) as error:
        CasePolicy.parse(given)

    assert error.value.pointer == at, why


@pytest.mark.parametrize("preset", [["end-of-2016"], {"name": "end-of-2016"}])
def test_a_preset_that_is_no_name_is_refused_like_any_other(preset: object) -> None:
    with pytest.raises(RuleError):
        CasePolicy.parse({"preset": preset})


@pytest.mark.parametrize("given", [20161031, "20161031", "2016-W44-1"])
def test_the_end_of_the_service_is_written_in_one_way(given: object) -> None:
    with pytest.raises(RuleError):
        CasePolicy.parse({"service_ends_on": given})


# What contradicts itself


@pytest.mark.parametrize("name", NUMBERS)
def test_no_number_is_negative(name: str) -> None:
    with pytest.raises(RuleError) as error:
        CasePolicy.parse({name: -1})

    assert error.value.pointer == f"/{name}"


@pytest.mark.parametrize(
    ("given", "at", "why"),
    [
        ({"confirm_hours": 0}, "/confirm_hours", "no link could be followed in time"),
        ({"eligible_months": 0}, "/eligible_months", "no transaction would be eligible"),
        ({"papers_days": 0, "papers_reminders": []}, "/papers_days", "no paper could come in time"),
        ({"deficiency_days": 0}, "/deficiency_days", "nothing could be mended in time"),
        ({"fee_days": 0, "fee_reminders": []}, "/fee_days", "nobody could pay in time"),
        ({"case_years": 0}, "/case_years", "the record of a disclosure is kept (S9)"),
        ({"negotiation_days": 60}, "/negotiation_reminder_days", "the reminder would come with the end"),
        ({"papers_reminders": [30]}, "/papers_reminders", "the reminder would come with the first notice"),
        ({"papers_reminders": [-1]}, "/papers_reminders", "the reminder would come too late"),
        ({"fee_reminders": [14]}, "/fee_reminders", "the reminder would come with the invoice"),
        ({"fee_days": 7}, "/fee_reminders", "a default reminder lies outside the shorter period"),
        ({"disclosable": []}, "/disclosable", "stage 2 would disclose nothing"),
        ({"disclosable": ["name", "phone"]}, "/disclosable", "a telephone number is not on the closed list (A16)"),
    ],
)
def test_a_policy_that_contradicts_itself_does_not_load(given: dict[str, Any], at: str, why: str) -> None:
    with pytest.raises(RuleError) as error:
        CasePolicy.parse(given)

    assert error.value.pointer == at, why


def test_no_opinion_may_be_asked_for_and_no_round_of_questions_be_granted() -> None:
    policy = CasePolicy.parse(
        {"opinion_days": 0, "most_deficiency_rounds": 0, "wind_down_days": 0, "cool_down_days": 0}
    )

    assert (policy.opinion_days, policy.most_deficiency_rounds) == (0, 0)


def test_a_policy_in_force_is_not_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        POLICY.papers_days = 1  # type: ignore[misc]


def test_the_closed_list_is_the_default_and_names_no_telephone() -> None:
    assert POLICY.disclosable == FIELDS == ("name", "kana", "postal_code", "address")


def test_each_rule_is_explained() -> None:
    explained = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", CasePolicy.__doc__ or ""))

    assert {each.name for each in fields(CasePolicy)} - explained == {"disclosable"}, "its list says what it is"


# The end of the service (D1 to D3)


def test_by_default_the_service_has_no_end() -> None:
    far = datetime(2999, 1, 1, tzinfo=UTC)

    assert (POLICY.service_end_at, POLICY.wind_down_until) == (None, None)
    assert not POLICY.service_has_ended(far)
    assert not POLICY.is_winding_up(far)


@pytest.mark.parametrize(("at", "ended"), [(END - MOMENT, False), (END, True), (END + timedelta(hours=12), True)])
def test_the_last_good_instant_lies_before_the_day_on_which_the_service_ends(at: datetime, ended: bool) -> None:
    """D3: 10月31日以降 includes the 31st, in Japan."""
    policy = CasePolicy.parse({"preset": "end-of-2016"})

    assert policy.service_has_ended(at.astimezone(UTC)) is ended


@pytest.mark.parametrize(("after", "over"), [(timedelta(days=90) - MOMENT, False), (timedelta(days=90), True)])
def test_what_is_open_may_come_to_its_end_for_ninety_days_more(after: timedelta, over: bool) -> None:
    policy = CasePolicy.parse({"preset": "end-of-2016"})

    assert policy.is_winding_up(END + after) is over


def test_without_days_of_winding_down_all_ends_with_the_service() -> None:
    policy = CasePolicy.parse({"preset": "end-of-2016", "wind_down_days": 0})

    assert policy.wind_down_until == policy.service_end_at


# A transaction that can never be eligible (A3)


@pytest.mark.parametrize(
    ("window", "outlasts"), [(-timedelta(days=1), False), (timedelta(0), True), (timedelta(days=1), True)]
)
def test_a_message_window_outlasts_eligibility_that_leaves_no_instant_after_it(
    window: timedelta, outlasts: bool
) -> None:
    until = datetime(2016, 5, 31, 15, tzinfo=UTC)

    assert POLICY.window_outlasts_eligibility(until + window, until) is outlasts


# What it costs (D41, D42)


def payment(yen: int, paid_at: datetime) -> Payment:
    return Payment(case_id=UUID(int=1), once_key=str(yen), amount_yen=yen, paid_at=paid_at)


def test_an_invoice_holds_the_letters_postage_and_expenses() -> None:
    assert lines_for(POLICY) == [{"label": "postage", "yen": 1_100}, {"label": "expenses", "yen": 500}]


def test_what_we_paid_for_insufficient_stamps_is_charged_in_one_line() -> None:
    assert lines_for(POLICY, postage_due_yen=[82, 10])[-1] == {"label": "postage_due", "yen": 92}


def test_what_costs_nothing_has_no_line() -> None:
    free = replace(POLICY, expenses_yen=0)

    assert lines_for(free, postage_due_yen=[0, 0]) == [{"label": "postage", "yen": 1_100}]


@pytest.mark.parametrize(("paid_at", "counts"), [(END - MOMENT, 300), (END, 100), (END + MOMENT, 100)])
def test_money_counts_that_came_in_before_the_deadline(paid_at: datetime, counts: int) -> None:
    payments = [payment(100, END - timedelta(days=20)), payment(200, paid_at)]

    assert paid_in_time(payments, END) == counts


@given(st.lists(st.integers(1, 10_000)))
def test_without_a_deadline_all_money_counts(amounts: list[int]) -> None:
    assert paid_in_time([payment(yen, END) for yen in amounts], None) == sum(amounts)
