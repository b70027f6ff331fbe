"""A disclosure case's moves: which there are, what guards them, whose deadline counts, what a fact may not do."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError

from models.case_policy import CasePolicy
from models.decision import Decision, Stage, Verdict
from models.disclosure import (
    AFTER_STAGE_1,
    DEADLINES,
    MOVES,
    RELEASES,
    RUN_OUT,
    SENDING_TAKES,
    TERMINAL,
    WAITS_FOR_US,
    WRITTEN_DOWN_LATER,
    DisclosureCase,
    Party,
    Path,
    State,
    tail_of,
)
from models.errors import CaseHeld, DeadlinePassed, IllegalMove, NotReady, Refusal, ServiceEnded
from models.period import business_days_after, end_of_days
from tests.models.case_world import (
    BUYER,
    EXCHANGED,
    FILED_AT,
    OPENED,
    OTHER_CASE,
    OTHERS,
    RELEASE,
    SELLER,
    a_case,
    a_decision,
    an_approved_decision,
    values_of,
    world_after,
    write,
)

TOKYO = ZoneInfo("Asia/Tokyo")
MOMENT = timedelta(microseconds=1)
DAY = timedelta(days=1)
AT = FILED_AT + timedelta(hours=2)
POLICY = CasePolicy()
ENDING = CasePolicy(service_ends_on=date(2030, 6, 4), wind_down_days=10)  # the day after the form
SERVICE_END = datetime(2030, 6, 4, tzinfo=TOKYO)
WOUND_UP = datetime(2030, 6, 14, tzinfo=TOKYO)

OPEN = [state for state in State if state not in TERMINAL]
HOLDABLE = [state for state in State if state not in RELEASES and state is not State.RECEIVED]
PATIENT = [state for state in HOLDABLE if state not in TERMINAL]


def standing(state: State, **columns: Any) -> DisclosureCase:
    """Return a case in a state with all that may have come before it, so that nothing but the state is in the way."""
    past: dict[str, Any] = {"live_key": "trade:buyer:party"}
    if state is not State.RECEIVED:
        past |= {"confirmed_at": FILED_AT, "is_eligible": True, "told_counterparty_at": FILED_AT}
    if state in AFTER_STAGE_1 | {State.RELEASING, State.DISCLOSED}:
        past |= {"release_id": RELEASE, "released_at": FILED_AT}
        past |= {"applicant_reached_at": FILED_AT, "counterparty_reached_at": FILED_AT}
    if state in AFTER_STAGE_1 - {State.NEGOTIATING} | {State.RELEASING, State.DISCLOSED}:
        past |= {"stage_2_at": FILED_AT, "opinion_due_at": AT}
    if state in DEADLINES:
        past["deadline_at"] = end_of_days(AT, 14)
    if state is State.AWAITING_FEE:
        past |= {"fee_yen": 1_600, "decision_id": UUID(int=5)}
    return a_case(state, **(past | columns))


def of_a_holder(state: State = State.SCREENING, **columns: Any) -> DisclosureCase:
    past: dict[str, Any] = {"path": Path.RIGHTS_HOLDER, "told_counterparty_at": None, "needs_legal": True}
    return standing(state, **(past | columns))


def decided(case: DisclosureCase, stage: Stage, verdict: Verdict = Verdict.DISCLOSE, **columns: Any) -> Decision:
    return an_approved_decision(case, stage, verdict, **columns)


def confirm(case: DisclosureCase, at: datetime = AT, policy: CasePolicy = POLICY) -> None:
    case.confirm(at=at, live_key="trade:buyer:party", policy=policy)


def screened(case: DisclosureCase) -> None:
    case.screened(eligible=True, needs_legal=False)


def miss(case: DisclosureCase) -> None:
    case.miss(at=AT, policy=POLICY)


def resubmit(case: DisclosureCase, at: datetime = AT) -> None:
    case.resubmit(at=at, policy=POLICY)


def exchange(case: DisclosureCase) -> None:
    case.exchange(decided(case, Stage.ADDRESSES), at=AT, policy=POLICY)


def stop_exchange(case: DisclosureCase) -> None:
    case.stop_exchange(at=AT, policy=POLICY)


def release_addresses(case: DisclosureCase) -> bool:
    return case.release_addresses(RELEASE, at=AT)


def begin_after(case: DisclosureCase) -> None:
    case.begin_after(OTHERS["exchanged"][0], at=AT, policy=POLICY)


def settle(case: DisclosureCase) -> None:
    case.settle(at=AT, policy=POLICY)


def apply_for_stage_2(case: DisclosureCase, at: datetime = AT, policy: CasePolicy = POLICY) -> None:
    case.apply_for_stage_2(at=at, policy=policy)


def find_papers_deficient(case: DisclosureCase) -> None:
    case.find_papers_deficient(at=AT, policy=POLICY)


def charge(case: DisclosureCase, *, papers_good: bool = True, at: datetime = AT) -> None:
    decision = decided(case, Stage.PARTICULARS)
    case.charge(decision, papers_good=papers_good, fee_yen=1_600, at=at, policy=POLICY)


def release_to_holder(case: DisclosureCase) -> None:
    case.release_to_holder(decided(case, Stage.HOLDER), at=AT, policy=POLICY)


def dispatch(case: DisclosureCase) -> bool:
    return case.dispatch(at=AT)


def refuse(case: DisclosureCase) -> None:
    case.refuse(decided(case, Stage.ADDRESSES, Verdict.REFUSE), at=AT, policy=POLICY)


def withdraw(case: DisclosureCase) -> None:
    case.withdraw(at=AT, policy=POLICY)


def hold(case: DisclosureCase, at: datetime = AT) -> None:
    case.hold(at=at)


Command = Callable[[DisclosureCase], object]
_LEAVES = frozenset(state for state in State if State.REFUSED in MOVES[state])

COMMANDS: Mapping[Command, Mapping[State, State]] = {
    confirm: {State.RECEIVED: State.SCREENING},
    screened: {State.SCREENING: State.SCREENING},
    miss: {State.SCREENING: State.INTAKE_DEFICIENT},
    resubmit: {State.INTAKE_DEFICIENT: State.SCREENING},
    exchange: {State.SCREENING: State.EXCHANGING},
    begin_after: {State.SCREENING: State.NEGOTIATING},
    stop_exchange: {State.EXCHANGING: State.SCREENING},
    release_addresses: {State.EXCHANGING: State.EXCHANGING},
    settle: {State.NEGOTIATING: State.SETTLED},
    apply_for_stage_2: {State.NEGOTIATING: State.AWAITING_DOCUMENTS},
    find_papers_deficient: {State.REVIEWING: State.DOCUMENTS_DEFICIENT},
    charge: {State.REVIEWING: State.AWAITING_FEE},
    dispatch: {State.RELEASING: State.RELEASING},
    refuse: dict.fromkeys(_LEAVES, State.REFUSED),
    withdraw: dict.fromkeys(_LEAVES, State.WITHDRAWN),
}
"""Command → where it leads from where. From everywhere else it is refused."""


def complete_papers(case: DisclosureCase, arrived_at: datetime = AT) -> bool:
    return case.complete_papers(arrived_at=arrived_at, at=AT, policy=POLICY)


def pay(case: DisclosureCase, yen: int = 1_600) -> bool:
    return case.pay(yen, at=AT, policy=POLICY)


def void_decision(case: DisclosureCase) -> bool:
    return case.void_decision(at=AT, policy=POLICY)


def reach(case: DisclosureCase, party: Party = Party.APPLICANT, at: datetime = AT) -> bool:
    return case.reach(party, at=at, policy=POLICY)


def reach_both(case: DisclosureCase) -> bool:
    return [reach(case, Party.APPLICANT), reach(case, Party.COUNTERPARTY)][-1]


def close(case: DisclosureCase) -> bool:
    return case.close(at=AT, policy=POLICY)


def run_out(case: DisclosureCase, now: datetime | None = None, version: int | None = None) -> bool:
    at = now or case.run_out_at or AT
    return case.run_out(now=at, version=case.version if version is None else version, policy=POLICY)


def end_service(case: DisclosureCase, now: datetime = WOUND_UP) -> bool:
    return case.end_service(now=now, policy=ENDING)


def tell_counterparty(case: DisclosureCase) -> bool:
    return case.tell_counterparty(at=AT)


def take_opinion(case: DisclosureCase) -> bool:
    return case.take_opinion(at=AT)


def announce(case: DisclosureCase) -> bool:
    return case.announce(at=AT, policy=POLICY)


def announce_opinion(case: DisclosureCase) -> bool:
    return case.announce_opinion(at=AT, policy=POLICY)


FACTS: Mapping[Command, Mapping[State, State]] = {
    complete_papers: dict.fromkeys((State.AWAITING_DOCUMENTS, State.DOCUMENTS_DEFICIENT), State.REVIEWING),
    pay: {State.AWAITING_FEE: State.RELEASING},
    void_decision: {State.AWAITING_FEE: State.REVIEWING},
    reach_both: {},
    close: {},
    run_out: RUN_OUT,
    end_service: {state: State.SERVICE_ENDED for state in State if State.SERVICE_ENDED in MOVES[state]},
    tell_counterparty: {},
    take_opinion: {},
    announce: {},
    announce_opinion: {},
}
"""Fact → where it leads from where. Elsewhere it leads nowhere, and it is refused nowhere."""


# The tables


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
@pytest.mark.parametrize("state", State)
def test_a_command_leads_from_its_states_and_is_refused_in_all_others(command: Command, state: State) -> None:
    case = standing(state)
    before = values_of(case)

    if (onward := COMMANDS[command].get(state)) is not None:
        command(case)
        assert case.state is onward
        return
    with pytest.raises(IllegalMove):
        command(case)
    assert values_of(case) == before


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
@pytest.mark.parametrize("state", State)
def test_a_fact_leads_from_its_states_and_is_refused_nowhere(fact: Command, state: State) -> None:
    case = standing(state)

    fact(case)

    assert case.state is FACTS[fact].get(state, state)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
@pytest.mark.parametrize("state", HOLDABLE)
def test_a_fact_is_not_refused_under_a_hold_either(fact: Command, state: State) -> None:
    case = standing(state, held_at=AT)

    fact(case)

    assert case.state is (State.REVIEWING if (fact, state) == (void_decision, State.AWAITING_FEE) else state)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
@pytest.mark.parametrize("state", State)
def test_a_fact_that_is_told_twice_leads_no_further(fact: Command, state: State) -> None:
    case = standing(state, deadline_at=None)
    fact(case)
    before = values_of(case)

    fact(case)

    assert values_of(case) == before


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_a_hold_refuses_every_command_but_a_withdrawal_and_nothing_is_changed(command: Command) -> None:
    for state in COMMANDS[command]:
        if state not in HOLDABLE or command in {withdraw, screened}:
            continue
        case = standing(state, held_at=AT)
        before = values_of(case)

        with pytest.raises(CaseHeld):
            command(case)

        assert values_of(case) == before


def test_every_move_of_the_table_is_made_by_a_command_or_a_fact() -> None:
    made = {(was, to) for moves in (*COMMANDS.values(), *FACTS.values()) for was, to in moves.items() if was is not to}
    others = {
        (State.SCREENING, State.RELEASING),  # to a holder of rights
        (State.EXCHANGING, State.NEGOTIATING),  # when both are reached
        (State.RELEASING, State.DISCLOSED),  # when the letter is posted
    }

    assert made | others == {(was, to) for was, onward in MOVES.items() for to in onward}


def test_each_move_makes_older_timers_and_proposals_void() -> None:
    for moves in (COMMANDS, FACTS):
        for happening, leads in moves.items():
            for state, onward in leads.items():
                case = standing(state)
                happening(case)
                assert case.version == 1 + (state is not onward), (happening, state)


def test_what_waits_has_a_deadline_or_is_ours_to_do_and_never_both() -> None:
    assert set(RUN_OUT) == set(OPEN) - WAITS_FOR_US
    assert set(DEADLINES) | {State.RECEIVED} == set(RUN_OUT)
    assert set(RUN_OUT) > WRITTEN_DOWN_LATER


def test_a_deadline_leads_to_an_end() -> None:
    assert set(RUN_OUT.values()) <= TERMINAL


def test_a_release_that_has_begun_has_no_way_out() -> None:
    for state in RELEASES:
        assert not MOVES[state] & {State.REFUSED, State.WITHDRAWN, State.SERVICE_ENDED, State.EXPIRED}


# The form


def test_the_address_confirms_a_form_and_makes_it_a_case() -> None:
    case = a_case()

    confirm(case)

    assert (case.state, case.confirmed_at, case.live_key) == (State.SCREENING, AT, "trade:buyer:party")
    assert (case.deadline_at, case.is_open) == (None, True)


@pytest.mark.parametrize(("at", "in_time"), [(DAY - MOMENT, True), (DAY, False), (2 * DAY, False)])
def test_a_link_lives_for_a_day(at: timedelta, in_time: bool) -> None:
    case = a_case()

    with suppress(DeadlinePassed):
        confirm(case, FILED_AT + at)

    assert (case.state is State.SCREENING) is in_time


@pytest.mark.parametrize(("at", "in_time"), [(SERVICE_END - MOMENT, True), (SERVICE_END, False)])
def test_what_is_not_confirmed_at_the_services_end_never_is(at: datetime, in_time: bool) -> None:
    """A2: the form's time counts for the months, not for D3."""
    case = a_case()

    with suppress(ServiceEnded):
        confirm(case, at, ENDING)

    assert (case.state is State.SCREENING) is in_time


def test_a_link_that_is_late_twice_over_is_told_that_the_service_ended() -> None:
    with pytest.raises(ServiceEnded):
        confirm(a_case(), WOUND_UP, ENDING)


def test_the_database_keeps_one_open_case_of_an_applicant_about_a_transaction() -> None:
    with pytest.raises(IntegrityError, match="live_key"):
        write(standing(State.SCREENING), standing(State.REVIEWING, id=OTHER_CASE))


def test_what_is_over_makes_room_for_another_application() -> None:
    over = standing(State.SCREENING)
    refuse(over)

    write(over, standing(State.SCREENING, id=OTHER_CASE))

    assert (over.live_key, over.ended_at) == (None, AT)


# The checks


@pytest.mark.parametrize("path", Path)
@pytest.mark.parametrize("needs_legal", [True, False])
def test_the_legal_department_is_needed_for_a_protected_address_and_for_every_holder(
    path: Path, needs_legal: bool
) -> None:
    """S16, D63."""
    case = standing(State.SCREENING, path=path, needs_legal=False)

    case.screened(eligible=True, needs_legal=needs_legal)

    assert case.needs_legal is (needs_legal or path is Path.RIGHTS_HOLDER)


def test_checks_run_under_a_hold_too() -> None:
    case = standing(State.SCREENING, held_at=AT, is_eligible=None)

    case.screened(eligible=False, needs_legal=False)

    assert case.is_eligible is False


def test_the_counterparty_is_told_once_and_the_first_time_counts() -> None:
    case = standing(State.SCREENING, told_counterparty_at=None)

    answers = [case.tell_counterparty(at=AT), case.tell_counterparty(at=AT + DAY)]

    assert (answers, case.told_counterparty_at) == ([True, True], AT)


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"is_eligible": None}, "the checks have not run (A4)"),
        ({"is_eligible": False}, "anybody could harass a member with forms (A4)"),
        ({"counterparty_id": None}, "there is nobody to tell"),
        ({"path": Path.RIGHTS_HOLDER}, "a seller is never warned (D62)"),
        ({"state": State.REFUSED}, "it is over"),
        ({"state": State.WITHDRAWN}, "it is over"),
    ],
)
def test_the_counterparty_is_not_told_when(columns: dict[str, Any], why: str) -> None:
    case = standing(**({"state": State.SCREENING, "told_counterparty_at": None} | columns))

    assert not tell_counterparty(case), why
    assert case.told_counterparty_at is None


@pytest.mark.parametrize("state", State)
def test_a_seller_is_not_told_in_any_state(state: State) -> None:
    case = of_a_holder(state)

    assert not tell_counterparty(case)
    assert case.told_counterparty_at is None


def test_the_database_refuses_a_seller_who_was_told_before_the_release() -> None:
    with pytest.raises(IntegrityError, match="sellers_are_not_told_before"):
        write(of_a_holder(told_counterparty_at=AT))


def test_what_is_missing_is_asked_for_twice_and_no_more() -> None:
    """A10."""
    case = standing(State.SCREENING)
    for _ in range(2):
        miss(case)
        resubmit(case)
    before = values_of(case)

    with pytest.raises(NotReady) as refusal:
        miss(case)

    assert refusal.value.facts["lacks"] == "rounds"
    assert values_of(case) == before


def test_what_was_missing_is_checked_anew() -> None:
    case = standing(State.INTAKE_DEFICIENT)

    resubmit(case)

    assert (case.state, case.is_eligible) == (State.SCREENING, None)


# Commands judged by the instant at which they came


@pytest.mark.parametrize(
    ("state", "command"),
    [(State.INTAKE_DEFICIENT, resubmit), (State.NEGOTIATING, apply_for_stage_2)],
)
@pytest.mark.parametrize(("before_the_end", "in_time"), [(MOMENT, True), (timedelta(0), False), (-MOMENT, False)])
def test_a_deadline_is_an_exclusive_end(
    state: State, command: Callable[..., None], before_the_end: timedelta, in_time: bool
) -> None:
    case = standing(state)
    assert case.deadline_at is not None
    was = values_of(case)

    try:
        command(case, case.deadline_at - before_the_end)
    except DeadlinePassed:
        assert values_of(case) == was
        refused = True
    else:
        refused = False

    assert refused is not in_time


@given(st.sampled_from(sorted(RUN_OUT)), st.timedeltas(-4 * DAY, 4 * DAY))
@example(State.NEGOTIATING, timedelta(0))
def test_no_instant_lies_between_being_in_time_and_being_too_late(state: State, around: timedelta) -> None:
    """Only papers and money are looked at a day later; they are judged by when they came."""
    case = standing(state)
    deadline, looked_at_at = case.deadline_at, case.run_out_at
    assert deadline is not None
    assert looked_at_at is not None

    ended = run_out(case, deadline + around)

    assert ended is (deadline + around >= looked_at_at)
    assert looked_at_at > deadline if state in WRITTEN_DOWN_LATER else looked_at_at == deadline


# Stage 1: both or neither


def test_an_exchange_is_decided_by_two() -> None:
    case = standing(State.SCREENING)

    exchange(case)

    assert (case.state, case.decision_id, case.released_at) == (State.EXCHANGING, UUID(int=5), None)


@pytest.mark.parametrize(
    ("columns", "lacks"),
    [
        ({"is_eligible": None}, "eligible"),
        ({"is_eligible": False}, "eligible"),
        ({"told_counterparty_at": None}, "prior_notice"),
        ({"is_eligible": False, "told_counterparty_at": None}, "eligible,prior_notice"),
    ],
)
def test_an_exchange_lacks(columns: dict[str, Any], lacks: str) -> None:
    case = standing(State.SCREENING, **columns)
    before = values_of(case)

    with pytest.raises(NotReady) as refusal:
        exchange(case)

    assert refusal.value.facts["lacks"] == lacks
    assert values_of(case) == before


def test_addresses_are_never_exchanged_with_a_holder() -> None:
    case = of_a_holder(told_counterparty_at=AT)

    with pytest.raises(IllegalMove):
        exchange(case)


def test_what_was_not_sent_may_still_be_stopped_and_the_decision_is_used_up() -> None:
    case = standing(State.SCREENING)
    decision = decided(case, Stage.ADDRESSES)
    case.exchange(decision, at=AT, policy=POLICY)

    stop_exchange(case)

    assert (case.state, case.decision_id) == (State.SCREENING, None)
    with pytest.raises(NotReady):
        case.exchange(decision, at=AT, policy=POLICY)


def test_what_was_released_is_not_stopped() -> None:
    case = standing(State.EXCHANGING, released_at=AT)

    with pytest.raises(IllegalMove):
        stop_exchange(case)

    assert case.state is State.EXCHANGING


def test_addresses_are_released_once() -> None:
    case = standing(State.EXCHANGING)

    answers = [case.release_addresses(RELEASE, at=AT), case.release_addresses(UUID(int=99), at=AT + DAY)]

    assert (answers, case.release_id, case.released_at) == ([True, False], RELEASE, AT)


@pytest.mark.parametrize("first", Party)
def test_negotiation_begins_when_the_second_side_is_reached(first: Party) -> None:
    """D20: 同時に. The time to negotiate is counted from the later one."""
    second = next(party for party in Party if party is not first)
    case = standing(State.EXCHANGING, released_at=AT)

    answers = [reach(case, first, AT + 2 * DAY), reach(case, first, AT + 3 * DAY), reach(case, second, AT + DAY)]

    assert (answers, case.state, case.is_mutual) == ([False, False, True], State.NEGOTIATING, True)
    assert case.state_since_at == AT + 2 * DAY


@pytest.mark.parametrize("party", Party)
def test_one_side_alone_is_no_end(party: Party) -> None:
    case = standing(State.EXCHANGING, released_at=AT)

    reach(case, party)

    assert (case.state, case.is_mutual) == (State.EXCHANGING, False)


@pytest.mark.parametrize("party", Party)
def test_nobody_is_reached_before_the_release(party: Party) -> None:
    case = standing(State.EXCHANGING)

    assert not reach(case, party)
    assert (case.applicant_reached_at, case.counterparty_reached_at) == (None, None)


# Cross-applications begin behind a stage 1 that was mutual, as A18 has it


def test_a_cross_application_begins_behind_a_mutual_stage_1_on_the_same_release() -> None:
    case = standing(State.SCREENING)
    other = standing(State.NEGOTIATING, id=OTHER_CASE, applicant_id=SELLER, counterparty_id=BUYER)
    other.applicant_reached_at, other.counterparty_reached_at = FILED_AT + MOMENT, FILED_AT + 2 * MOMENT

    case.begin_after(other, at=AT, policy=POLICY)

    assert (case.state, case.release_id, case.released_at) == (State.NEGOTIATING, RELEASE, FILED_AT)
    assert (case.applicant_reached_at, case.counterparty_reached_at) == (FILED_AT + 2 * MOMENT, FILED_AT + MOMENT)


@pytest.mark.parametrize("which", [which for which, (_, is_mutual) in OTHERS.items() if not is_mutual])
def test_a_cross_application_does_not_begin_behind_a_case_that_is(which: str) -> None:
    case = standing(State.SCREENING)
    before = values_of(case)

    with pytest.raises(IllegalMove):
        case.begin_after(OTHERS[which][0], at=AT, policy=POLICY)

    assert values_of(case) == before


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({"trade_id": UUID(int=99)}, "it is about another transaction"),
        ({"applicant_id": UUID(int=99)}, "it is somebody else's"),
        ({"counterparty_id": UUID(int=99)}, "it is about somebody else"),
        ({"applicant_id": SELLER, "counterparty_id": BUYER}, "it is the same side's"),
        ({"path": Path.RIGHTS_HOLDER}, "a holder of rights exchanges nothing (D60)"),
    ],
)
def test_a_cross_application_begins_only_behind_the_other_sides(columns: dict[str, Any], why: str) -> None:
    case = standing(State.SCREENING, **columns)

    with pytest.raises(IllegalMove):
        begin_after(case)

    assert case.state is State.SCREENING, why


@pytest.mark.parametrize("is_eligible", [None, False])
def test_a_cross_application_is_screened_like_any_other(is_eligible: bool | None) -> None:
    """D39: 同様に手続き・審査を経たうえで."""
    case = standing(State.SCREENING, is_eligible=is_eligible)

    with pytest.raises(NotReady):
        begin_after(case)

    assert case.state is State.SCREENING


@pytest.mark.parametrize("state", [state for state in State if state in AFTER_STAGE_1 | TERMINAL | {State.RELEASING}])
def test_what_becomes_of_the_other_application_holds_up_nobody(state: State) -> None:
    """D40: 時期が同時となることを保証するものではありません."""
    other = world_after(*EXCHANGED, id=OTHER_CASE, applicant_id=SELLER, counterparty_id=BUYER).case
    other.state = state
    case = standing(State.SCREENING)

    case.begin_after(other, at=AT, policy=POLICY)

    assert case.state is State.NEGOTIATING


# Stage 2


@pytest.mark.parametrize(("at", "taken"), [(SERVICE_END - MOMENT, True), (SERVICE_END, False)])
def test_no_application_for_stage_2_is_taken_once_the_service_has_ended(at: datetime, taken: bool) -> None:
    case = standing(State.NEGOTIATING)
    before = values_of(case)

    try:
        apply_for_stage_2(case, at, ENDING)
    except ServiceEnded:
        assert values_of(case) == before

    assert (case.state is State.AWAITING_DOCUMENTS) is taken


def test_an_application_for_stage_2_gives_the_counterparty_two_weeks_for_its_opinion() -> None:
    case = standing(State.NEGOTIATING)

    apply_for_stage_2(case, datetime(2030, 6, 3, 12, tzinfo=TOKYO))

    assert case.opinion_due_at == datetime(2030, 6, 18, tzinfo=TOKYO)


def test_where_no_opinion_is_asked_for_none_is_awaited() -> None:
    case = standing(State.NEGOTIATING)

    apply_for_stage_2(case, policy=CasePolicy(opinion_days=0))

    assert (case.opinion_due_at, case.opinion_is_heard(AT)) == (None, True)


@pytest.mark.parametrize("state", [State.AWAITING_DOCUMENTS, State.DOCUMENTS_DEFICIENT])
@pytest.mark.parametrize(("before_the_end", "counts"), [(MOMENT, True), (timedelta(0), False), (-MOMENT, False)])
def test_a_paper_counts_that_came_in_time_however_late_it_is_written_down(
    state: State, before_the_end: timedelta, counts: bool
) -> None:
    case = standing(state)
    assert case.deadline_at is not None

    done = case.complete_papers(
        arrived_at=case.deadline_at - before_the_end, at=case.deadline_at + timedelta(hours=9), policy=POLICY
    )

    assert (done, case.state is State.REVIEWING) == (counts, counts)


def test_papers_are_asked_for_anew_twice_and_no_more() -> None:
    case = standing(State.REVIEWING)
    for _ in range(2):
        find_papers_deficient(case)
        complete_papers(case)
    before = values_of(case)

    with pytest.raises(NotReady):
        find_papers_deficient(case)

    assert values_of(case) == before


# The opinion (A12)


def test_an_opinion_is_heard_once() -> None:
    case = standing(State.REVIEWING)

    answers = [case.take_opinion(at=AT), case.take_opinion(at=AT + DAY)]

    assert (answers, case.opinion_at) == ([True, False], AT)


def test_an_opinion_before_stage_2_is_of_something_else() -> None:
    case = world_after(*OPENED).case

    assert not take_opinion(case)
    assert case.opinion_at is None


def test_an_opinion_that_comes_late_is_kept() -> None:
    case = standing(State.DISCLOSED)

    assert take_opinion(case)


@pytest.mark.parametrize(
    ("opinion_at", "after_the_window", "heard"),
    [(None, -MOMENT, False), (None, timedelta(0), True), (AT, -MOMENT, True), (AT, timedelta(0), True)],
)
def test_the_counterparty_is_heard_or_has_had_its_time(
    opinion_at: datetime | None, after_the_window: timedelta, heard: bool
) -> None:
    due = AT + 14 * DAY
    case = standing(State.REVIEWING, opinion_due_at=due, opinion_at=opinion_at)

    assert case.opinion_is_heard(due + after_the_window) is heard


# What is charged and released


def test_what_is_decided_is_charged() -> None:
    case = standing(State.REVIEWING)

    charge(case)

    assert (case.state, case.decision_id, case.fee_yen) == (State.AWAITING_FEE, UUID(int=5), 1_600)


@pytest.mark.parametrize(
    ("columns", "papers_good", "lacks"),
    [
        ({"released_at": None}, True, "stage_1"),
        ({"told_counterparty_at": None}, True, "prior_notice"),
        ({}, False, "papers"),
        ({"opinion_due_at": AT + MOMENT}, True, "opinion"),
        ({"released_at": None, "opinion_due_at": AT + DAY}, False, "stage_1,papers,opinion"),
    ],
)
def test_a_disclosure_of_particulars_lacks(columns: dict[str, Any], papers_good: bool, lacks: str) -> None:
    case = standing(State.REVIEWING, **columns)
    before = values_of(case)

    with pytest.raises(NotReady) as refusal:
        charge(case, papers_good=papers_good)

    assert refusal.value.facts["lacks"] == lacks
    assert values_of(case) == before


@pytest.mark.parametrize(("yen", "releases"), [(0, False), (1_599, False), (1_600, True), (9_999, True)])
def test_a_fee_that_is_paid_or_overpaid_sets_the_release_off(yen: int, releases: bool) -> None:
    case = standing(State.AWAITING_FEE)

    assert pay(case, yen) is releases
    assert (case.paid_yen, case.state is State.RELEASING) == (yen, releases)


@pytest.mark.parametrize("state", [state for state in State if state is not State.AWAITING_FEE])
def test_money_that_nothing_waits_for_is_counted_all_the_same(state: State) -> None:
    case = standing(state)

    assert not pay(case, 1_600)
    assert case.paid_yen == 1_600


@pytest.mark.parametrize("held_at", [None, AT])
def test_what_has_changed_since_its_approval_is_reviewed_again_even_under_a_hold(held_at: datetime | None) -> None:
    """S6: any change voids it."""
    case = standing(State.AWAITING_FEE, held_at=held_at)

    assert void_decision(case)
    assert (case.state, case.decision_id, case.held_at) == (State.REVIEWING, None, held_at)


def test_what_was_voided_is_not_released_by_the_money_that_then_comes() -> None:
    case = standing(State.AWAITING_FEE)
    void_decision(case)

    assert not pay(case)
    assert case.state is State.REVIEWING


def test_a_release_to_a_holder_is_decided_by_two_the_second_a_lawyer() -> None:
    case = of_a_holder()

    release_to_holder(case)

    assert (case.state, case.told_counterparty_at, case.deadline_at) == (State.RELEASING, None, None)


@pytest.mark.parametrize(
    ("columns", "lacks"),
    [({"is_eligible": False}, "eligible"), ({"told_counterparty_at": AT}, "no_prior_notice")],
)
def test_a_release_to_a_holder_lacks(columns: dict[str, Any], lacks: str) -> None:
    case = of_a_holder(**columns)
    before = values_of(case)

    with pytest.raises(NotReady) as refusal:
        release_to_holder(case)

    assert refusal.value.facts["lacks"] == lacks
    assert values_of(case) == before


@pytest.mark.parametrize("state", State)
def test_a_party_is_never_released_to_as_if_it_were_a_holder(state: State) -> None:
    with pytest.raises(IllegalMove):
        release_to_holder(standing(state, needs_legal=True))


@pytest.mark.parametrize("state", [state for state in State if state is not State.SCREENING])
def test_a_release_to_a_holder_is_decided_on_while_it_is_screened(state: State) -> None:
    with pytest.raises(IllegalMove):
        release_to_holder(of_a_holder(state))


def test_a_letter_is_posted_once_and_then_the_case_is_closed() -> None:
    case = standing(State.RELEASING)

    answers = [close(case), dispatch(case), case.dispatch(at=AT + DAY), close(case), close(case)]

    assert answers == [False, True, False, True, False]
    assert (case.state, case.dispatched_at, case.released_at) == (State.DISCLOSED, AT, FILED_AT)


def test_to_a_holder_the_posting_is_the_release() -> None:
    case = of_a_holder(State.RELEASING, released_at=None)

    dispatch(case)

    assert case.released_at == AT


# Which decisions count


DECIDES: list[tuple[DisclosureCase, Stage, Verdict, Callable[[DisclosureCase, Decision], None]]] = [
    (
        standing(State.SCREENING),
        Stage.ADDRESSES,
        Verdict.DISCLOSE,
        lambda case, decision: case.exchange(decision, at=AT, policy=POLICY),
    ),
    (
        standing(State.REVIEWING),
        Stage.PARTICULARS,
        Verdict.DISCLOSE,
        lambda case, decision: case.charge(decision, papers_good=True, fee_yen=1, at=AT, policy=POLICY),
    ),
    (
        of_a_holder(),
        Stage.HOLDER,
        Verdict.DISCLOSE,
        lambda case, decision: case.release_to_holder(decision, at=AT, policy=POLICY),
    ),
    (
        standing(State.SCREENING),
        Stage.ADDRESSES,
        Verdict.REFUSE,
        lambda case, decision: case.refuse(decision, at=AT, policy=POLICY),
    ),
]
decides = pytest.mark.parametrize(
    ("case", "stage", "verdict", "use"), DECIDES, ids=["exchange", "charge", "release_to_holder", "refuse"]
)
Use = Callable[[DisclosureCase, Decision], None]


def assert_not_ready(case: DisclosureCase, use: Use, decision: Decision) -> None:
    before = values_of(case)

    with pytest.raises(NotReady) as refusal:
        use(case, decision)

    assert refusal.value.facts["lacks"] == "decision"
    assert values_of(case) == before


@decides
def test_a_proposal_alone_decides_nothing(case: DisclosureCase, stage: Stage, verdict: Verdict, use: Use) -> None:
    assert_not_ready(case, use, a_decision(case, stage, verdict))


@decides
def test_one_person_decides_nothing(case: DisclosureCase, stage: Stage, verdict: Verdict, use: Use) -> None:
    alone = decided(case, stage, verdict)
    alone.approved_by = alone.proposed_by

    assert_not_ready(case, use, alone)


@decides
def test_a_decision_on_another_case_decides_nothing(
    case: DisclosureCase, stage: Stage, verdict: Verdict, use: Use
) -> None:
    assert_not_ready(case, use, decided(a_case(id=OTHER_CASE), stage, verdict))


@decides
def test_a_decision_on_the_case_as_it_was_decides_nothing(
    case: DisclosureCase, stage: Stage, verdict: Verdict, use: Use
) -> None:
    assert_not_ready(case, use, decided(case, stage, verdict, case_version=case.version - 1))


@decides
def test_a_decision_that_says_the_opposite_decides_nothing(
    case: DisclosureCase, stage: Stage, verdict: Verdict, use: Use
) -> None:
    opposite = next(other for other in Verdict if other is not verdict)

    assert_not_ready(case, use, decided(case, stage, opposite))


@pytest.mark.parametrize(("case", "stage", "use"), [(case, stage, use) for case, stage, _, use in DECIDES[:3]])
@pytest.mark.parametrize("other", Stage)
def test_a_decision_to_disclose_something_else_decides_nothing(
    case: DisclosureCase, stage: Stage, use: Use, other: Stage
) -> None:
    if other is not stage:
        assert_not_ready(case, use, decided(case, other))


@pytest.mark.parametrize("stage", Stage)
def test_a_refusal_is_one_whatever_it_refuses(stage: Stage) -> None:
    case = standing(State.SCREENING)

    case.refuse(decided(case, stage, Verdict.REFUSE), at=AT, policy=POLICY)

    assert case.state is State.REFUSED


@pytest.mark.parametrize("state", [State.SCREENING, State.REVIEWING])
def test_where_the_legal_department_is_needed_no_others_decide(state: State) -> None:
    """S16."""
    case = standing(state, needs_legal=True)
    stage, use = (Stage.ADDRESSES, DECIDES[0][3]) if state is State.SCREENING else (Stage.PARTICULARS, DECIDES[1][3])
    decision = a_decision(case, stage)
    decision.approve(by="person:checker", digest=decision.digest, at=AT, as_legal=False)

    assert_not_ready(case, use, decision)


# Deadlines


@pytest.mark.parametrize(
    ("state", "last_day"),
    [
        (State.INTAKE_DEFICIENT, "2030-06-18"),
        (State.NEGOTIATING, "2030-09-02"),
        (State.AWAITING_DOCUMENTS, "2030-07-04"),
        (State.DOCUMENTS_DEFICIENT, "2030-06-18"),
        (State.AWAITING_FEE, "2030-06-18"),
    ],
)
def test_a_deadline_runs_in_days_from_when_its_notice_is_deemed_to_have_arrived(state: State, last_day: str) -> None:
    """D54. It was sent at half past eleven at night, so it arrives on the day after."""
    enter: Mapping[State, tuple[State, Callable[[DisclosureCase, datetime], object]]] = {
        State.INTAKE_DEFICIENT: (State.SCREENING, lambda case, at: case.miss(at=at, policy=POLICY)),
        State.NEGOTIATING: (
            State.EXCHANGING,
            lambda case, at: (reach(case, Party.APPLICANT, at), reach(case, Party.COUNTERPARTY, at)),
        ),
        State.AWAITING_DOCUMENTS: (State.NEGOTIATING, apply_for_stage_2),
        State.DOCUMENTS_DEFICIENT: (
            State.REVIEWING,
            lambda case, at: case.find_papers_deficient(at=at, policy=POLICY),
        ),
        State.AWAITING_FEE: (State.REVIEWING, lambda case, at: charge(case, at=at)),
    }
    was, happen = enter[state]
    case = standing(was, released_at=FILED_AT)

    happen(case, datetime(2030, 6, 3, 23, 30, tzinfo=TOKYO))

    assert case.state is state
    assert case.deadline_at == datetime.fromisoformat(last_day).replace(tzinfo=TOKYO) + DAY


@pytest.mark.parametrize("state", sorted(RUN_OUT))
@pytest.mark.parametrize(("around", "rings"), [(-MOMENT, False), (timedelta(0), True), (DAY, True)])
def test_a_timer_ends_what_waits_and_not_a_moment_before(state: State, around: timedelta, rings: bool) -> None:
    case = standing(state)
    assert case.run_out_at is not None

    assert run_out(case, case.run_out_at + around) is rings
    assert case.state is (RUN_OUT[state] if rings else state)


@pytest.mark.parametrize("state", sorted(RUN_OUT))
@pytest.mark.parametrize("version", [0, 2])
def test_a_timer_of_another_version_is_ignored(state: State, version: int) -> None:
    case = standing(state)

    assert not run_out(case, version=version)
    assert case.state is state


def test_papers_and_money_may_be_written_down_on_the_next_business_day() -> None:
    deadline = datetime(2030, 6, 15, tzinfo=TOKYO)  # the end of a Friday
    waiting = {state: standing(state, deadline_at=deadline).run_out_at for state in sorted(RUN_OUT)}

    later = {state for state, at in waiting.items() if at != deadline}

    assert later == WRITTEN_DOWN_LATER
    assert {waiting[state] for state in later} == {business_days_after(deadline, 1)}


@pytest.mark.parametrize("state", sorted(DEADLINES))
def test_a_notice_that_is_sent_later_gives_the_time_from_when_it_arrives(state: State) -> None:
    case = standing(state, deadline_at=AT + DAY)
    sent_at = AT + 40 * DAY

    assert case.announce(at=sent_at, policy=POLICY)
    assert case.version == 2
    assert case.deadline_at == DEADLINES[state](POLICY, sent_at + SENDING_TAKES + timedelta(hours=1))


def test_a_notice_that_may_arrive_after_midnight_gives_the_day_more() -> None:
    """It is put into words before it is sent: sending may take the last of the minutes there are."""
    case = standing(State.AWAITING_DOCUMENTS, deadline_at=AT)

    case.announce(at=datetime(2030, 6, 3, 22, 59, 30, tzinfo=TOKYO), policy=POLICY)

    assert case.deadline_at == datetime(2030, 7, 5, tzinfo=TOKYO)


@pytest.mark.parametrize("state", sorted(DEADLINES))
def test_a_deadline_never_moves_back(state: State) -> None:
    case = standing(state, deadline_at=AT + 200 * DAY)
    before = values_of(case)

    assert not announce(case)
    assert values_of(case) == before


@pytest.mark.parametrize("state", [state for state in State if state not in DEADLINES])
def test_where_nothing_runs_a_notice_sets_nothing_off(state: State) -> None:
    case = standing(state)
    before = values_of(case)

    assert not announce(case)
    assert values_of(case) == before


def test_a_notice_that_is_sent_under_a_hold_moves_nothing() -> None:
    case = standing(State.AWAITING_DOCUMENTS, held_at=AT)

    assert not case.announce(at=AT + 40 * DAY, policy=POLICY)


def test_the_window_for_an_opinion_runs_from_when_its_notice_arrives() -> None:
    case = standing(State.AWAITING_DOCUMENTS)

    answers = [case.announce_opinion(at=AT + 3 * DAY, policy=POLICY), announce_opinion(case)]

    assert answers == [True, False]
    assert case.opinion_due_at == end_of_days(AT + 3 * DAY + SENDING_TAKES + timedelta(hours=1), 14)


def test_who_has_stated_an_opinion_needs_no_more_time_for_it() -> None:
    case = standing(State.AWAITING_DOCUMENTS, opinion_at=AT)

    assert not case.announce_opinion(at=AT + 3 * DAY, policy=POLICY)


def test_more_time_is_given_and_older_timers_are_void() -> None:
    case = standing(State.AWAITING_DOCUMENTS)

    case.extend(AT + 60 * DAY, now=AT)

    assert (case.deadline_at, case.version) == (AT + 60 * DAY, 2)


@pytest.mark.parametrize(
    ("columns", "until", "now", "why"),
    [
        ({"deadline_at": None}, 60, 0, "nothing runs"),
        ({"held_at": AT}, 60, 0, "nothing runs under a hold"),
        ({"deadline_at": AT + DAY}, 60, 1, "it has run out"),
        ({"deadline_at": AT + 60 * DAY}, 60, 0, "that is no more time"),
        ({"deadline_at": AT + 60 * DAY}, 59, 0, "that is less time"),
    ],
)
def test_no_more_time_is_given_when(columns: dict[str, Any], until: int, now: int, why: str) -> None:
    case = standing(State.AWAITING_DOCUMENTS, **columns)
    before = values_of(case)

    with pytest.raises(IllegalMove):
        case.extend(AT + until * DAY, now=AT + now * DAY)

    assert values_of(case) == before, why


# The end of the service (D1 to D3, A1)


@pytest.mark.parametrize(("now", "ends"), [(SERVICE_END - MOMENT, False), (SERVICE_END, True)])
def test_a_form_ends_with_the_service(now: datetime, ends: bool) -> None:
    case = a_case()

    assert end_service(case, now) is ends
    assert (case.state is State.SERVICE_ENDED) is ends


@pytest.mark.parametrize("state", sorted(PATIENT))
@pytest.mark.parametrize(("now", "ends"), [(SERVICE_END, False), (WOUND_UP - MOMENT, False), (WOUND_UP, True)])
def test_a_case_ends_with_the_winding_down(state: State, now: datetime, ends: bool) -> None:
    case = standing(state)

    assert end_service(case, now) is ends
    assert case.state is (State.SERVICE_ENDED if ends else state)


@pytest.mark.parametrize("state", sorted(RELEASES))
@pytest.mark.parametrize("path", Path)
def test_not_even_the_winding_down_interrupts_a_release(state: State, path: Path) -> None:
    case = standing(state, path=path, released_at=AT, told_counterparty_at=None)

    assert not end_service(case, WOUND_UP + 400 * DAY)
    assert case.state is state


def test_what_was_being_released_at_the_end_still_reaches_both_sides() -> None:
    case = standing(State.EXCHANGING, released_at=AT)
    reach(case, Party.APPLICANT)
    end_service(case)

    case.reach(Party.COUNTERPARTY, at=WOUND_UP, policy=ENDING)

    assert (case.is_mutual, case.state) == (True, State.NEGOTIATING)
    assert end_service(case)


# Holds


@pytest.mark.parametrize("state", HOLDABLE)
def test_a_hold_freezes_a_case_and_its_purge(state: State) -> None:
    case = standing(state)

    hold(case)

    assert (case.held_at, case.state, case.version) == (AT, state, 2)


@pytest.mark.parametrize("state", [State.RECEIVED, *sorted(RELEASES)])
def test_a_release_is_not_held_and_a_form_is_no_case(state: State) -> None:
    case = standing(state)

    with pytest.raises(IllegalMove):
        hold(case)

    assert case.held_at is None


def test_what_is_held_is_not_held_again() -> None:
    case = standing(State.REVIEWING, held_at=AT)

    with pytest.raises(CaseHeld):
        hold(case, AT + DAY)

    assert case.held_at == AT


@pytest.mark.parametrize("state", HOLDABLE)
def test_what_is_not_held_is_not_resumed(state: State) -> None:
    with pytest.raises(IllegalMove):
        standing(state).resume(at=AT)


@pytest.mark.parametrize("state", sorted(set(PATIENT) & set(RUN_OUT)))
def test_no_deadline_passes_under_a_hold(state: State) -> None:
    case = standing(state, held_at=AT)

    assert not run_out(case, AT + 4000 * DAY)
    assert case.state is state


@pytest.mark.parametrize("state", PATIENT)
def test_an_applicant_withdraws_from_under_a_hold_and_the_purge_still_waits(state: State) -> None:
    case = standing(state, held_at=AT)

    withdraw(case)

    assert (case.state, case.held_at) == (State.WITHDRAWN, AT)


@given(st.timedeltas(timedelta(0), 400 * DAY))
@example(timedelta(0))
@example(DAY)
@example(DAY + MOMENT)
def test_who_had_time_left_has_no_less_and_not_a_day_more_when_a_hold_ends(frozen: timedelta) -> None:
    case = standing(State.AWAITING_DOCUMENTS, opinion_due_at=AT + 9 * DAY)
    assert case.deadline_at is not None
    left, opinion_left = case.deadline_at - AT, 9 * DAY

    case.hold(at=AT)
    case.resume(at=AT + frozen)

    assert left <= case.deadline_at - (AT + frozen) < left + DAY
    assert opinion_left <= case.opinion_due_at - (AT + frozen) < opinion_left + DAY  # type: ignore[operator]
    assert (case.held_at, case.version) == (None, 3)


@given(st.timedeltas(timedelta(0), 400 * DAY))
def test_a_deadline_is_a_midnight_in_japan_after_a_hold_too(frozen: timedelta) -> None:
    case = standing(State.AWAITING_DOCUMENTS)

    case.hold(at=AT)
    case.resume(at=AT + frozen)

    assert case.deadline_at is not None
    assert case.deadline_at.astimezone(TOKYO).time().isoformat() == "00:00:00"


def test_a_window_that_was_over_is_not_opened_by_a_hold() -> None:
    case = standing(State.REVIEWING, opinion_due_at=AT - DAY)

    case.hold(at=AT)
    case.resume(at=AT + 5 * DAY)

    assert case.opinion_due_at == AT - DAY


def test_what_was_decided_before_a_hold_is_decided_anew_after_it() -> None:
    case = standing(State.SCREENING)
    decision = decided(case, Stage.ADDRESSES)
    case.hold(at=AT)
    case.resume(at=AT + DAY)

    with pytest.raises(NotReady):
        case.exchange(decision, at=AT + DAY, policy=POLICY)


# The end


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_an_end_is_an_end(state: State) -> None:
    case = standing(state)

    for happening in (*COMMANDS, *FACTS):
        try:
            happening(case)
        except Refusal:
            continue

    assert case.state is state


@pytest.mark.parametrize(
    ("state", "end"),
    [(State.RECEIVED, run_out), (State.NEGOTIATING, settle), (State.REVIEWING, refuse), (State.AWAITING_FEE, withdraw)],
)
def test_what_ends_says_when_and_waits_for_nothing(state: State, end: Command) -> None:
    case = standing(state)

    end(case)

    assert case.ended_at == case.state_since_at
    assert (case.is_open, case.live_key, case.deadline_at) == (False, None, None)


# The case number


@given(st.uuids())
def test_a_case_number_can_be_read_out_and_found_again(case_id: UUID) -> None:
    reference = a_case(id=case_id).reference

    assert not set(reference) & set("ILOU"), "easily mistaken for 1, 1, 0 and V"
    assert tail_of(reference) == case_id.hex[-10:]


@given(st.uuids(), st.sampled_from([str.lower, str.swapcase, lambda text: text.replace("-", " "), lambda t: f" {t} "]))
def test_a_case_number_is_understood_however_it_was_typed(case_id: UUID, typed: Callable[[str], str]) -> None:
    reference = a_case(id=case_id).reference

    assert tail_of(typed(reference)) == case_id.hex[-10:]


def test_letters_that_look_like_digits_are_read_as_these() -> None:
    assert tail_of("dlOOO-oooI") == tail_of("D1000-0001")


@pytest.mark.parametrize("text", ["", "D", "1234-5678", "D1234-567", "D1234-56789", "DU234-5678", "D1234_5678", "受付"])
def test_what_is_no_case_number_finds_nothing(text: str) -> None:
    assert tail_of(text) is None


def test_a_party_is_found_on_its_side() -> None:
    case = a_case()

    assert (case.member_of(Party.APPLICANT), case.member_of(Party.COUNTERPARTY)) == (BUYER, SELLER)
