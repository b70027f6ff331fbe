"""Everything that can happen to a case, in every order: the real model explored breadth first, and its faults caught.

What must hold is stated once, as functions of a world or of a step; what can happen is the table of events
(tests/models/case_world.py). Nothing of the model is written a second time here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from models import disclosure
from models.case_policy import CasePolicy
from models.decision import Decision, Stage, Verdict
from models.disclosure import (
    AFTER_STAGE_1,
    MOVES,
    RELEASES,
    WAITS_FOR_US,
    DisclosureCase,
    Party,
    Path,
    State,
)
from models.errors import IllegalMove, Refusal
from models.paper import Standing
from tests.models.case_world import (
    EVENTS,
    EXCHANGED,
    FACTS,
    FEE,
    NOT_RELIED_ON,
    OPENED,
    Event,
    World,
    accept_item,
    apply_for_stage_2,
    beginnings,
    confirm,
    receive_paper,
    relied_on,
    screened,
    world_after,
)

# What holds of every configuration


def two_people_decide(world: World) -> bool:
    """Nothing is released, promised or refused but by two; where the law department is needed the second is of it."""
    needed = {
        State.EXCHANGING: (Verdict.DISCLOSE, Stage.ADDRESSES),
        State.AWAITING_FEE: (Verdict.DISCLOSE, Stage.PARTICULARS),
        State.RELEASING: (Verdict.DISCLOSE, Stage.PARTICULARS),
        State.DISCLOSED: (Verdict.DISCLOSE, Stage.PARTICULARS),
        State.REFUSED: (Verdict.REFUSE, None),
    }.get(world.case.state)
    if needed is None:
        return True
    decision, (verdict, stage) = world.decision, needed
    if decision is None or decision.verdict is not verdict:
        return False
    if stage is Stage.PARTICULARS and world.case.path is Path.RIGHTS_HOLDER:
        stage = Stage.HOLDER
    if stage is Stage.PARTICULARS and decision.reviewed_by is None:
        return False
    return (
        stage in {None, decision.stage}
        and decision.approved_by is not None
        and decision.approved_by not in {decision.proposed_by, decision.reviewed_by}
        and (decision.as_legal or not (stage is Stage.HOLDER or (world.case.needs_legal and stage is not None)))
    )


def stage_1_is_never_one_sided(world: World) -> bool:
    """Where one side has the other's address, the other side has it too, or the release is still at work."""
    return len(world.mails) != 1 or world.case.state is State.EXCHANGING


def stage_1_comes_before_stage_2(world: World) -> bool:
    later = world.case.state in AFTER_STAGE_1 or (world.case.path is Path.PARTY and _is_released(world))
    return world.is_mutual or not later


def papers_are_complete_and_good_before_a_release(world: World) -> bool:
    return not _is_for_a_party(world) or [item.standing for item in world.items] == [Standing.ACCEPTED] * 2


def the_fee_is_paid_before_a_release(world: World) -> bool:
    return not _is_for_a_party(world) or world.money >= FEE


def the_opinion_is_awaited_before_a_release(world: World) -> bool:
    due = world.case.opinion_due_at
    return not _is_for_a_party(world) or world.heard or (due is not None and world.now >= due)


def the_counterparty_is_told_before_a_release(world: World) -> bool:
    return world.told or not (_is_for_a_party(world) or world.mails or world.case.stage_2_at is not None)


def a_seller_is_never_warned(world: World) -> bool:
    return world.case.path is Path.PARTY or not world.told


def nothing_is_released_that_has_changed(world: World) -> bool:
    return not (_is_released(world) and world.changed)


def whatever_waits_has_a_deadline_or_an_owner(world: World) -> bool:
    case = world.case
    return case.deadline_at is not None if case.is_open and case.state not in WAITS_FOR_US else True


def a_deadline_that_passes_ends_it(world: World) -> bool:
    """Nobody need lift a finger where a deadline runs and no hold stops it."""
    if world.case.run_out_at is None or world.case.held_at is not None:
        return True
    later = world.copy()
    at = max(later.now, world.case.run_out_at)
    if not later.case.run_out(now=at, version=later.case.version, policy=later.policy):
        # Once the service is wound up, what it cut short ends as that.
        later.case.end_service(now=at, policy=later.policy)
    return not later.case.is_open


def _is_released(world: World) -> bool:
    return world.case.state in {State.RELEASING, State.DISCLOSED}


def _is_for_a_party(world: World) -> bool:
    return _is_released(world) and world.case.path is Path.PARTY


OF_A_WORLD: tuple[Callable[[World], bool], ...] = (
    two_people_decide,
    stage_1_is_never_one_sided,
    stage_1_comes_before_stage_2,
    papers_are_complete_and_good_before_a_release,
    the_fee_is_paid_before_a_release,
    the_opinion_is_awaited_before_a_release,
    the_counterparty_is_told_before_a_release,
    a_seller_is_never_warned,
    nothing_is_released_that_has_changed,
    whatever_waits_has_a_deadline_or_an_owner,
    a_deadline_that_passes_ends_it,
)


# What holds of every step


def a_release_that_began_is_finished(before: World, after: World) -> bool:
    """Not even the service's end comes between."""
    match before.case.state, after.case.state:
        case was, now if was is now or was not in RELEASES:
            return True
        case State.EXCHANGING, State.NEGOTIATING:
            return after.is_mutual
        case State.EXCHANGING, State.SCREENING:
            return not after.mails and before.case.released_at is None
        case State.RELEASING, State.DISCLOSED:
            return after.posted
    return False


def what_is_over_stays_over(before: World, after: World) -> bool:
    return before.case.is_open or after.case.state is before.case.state


def a_held_case_stands_still(before: World, after: World) -> bool:
    """It may be withdrawn, and what was approved may turn out to have changed."""
    was, now = before.case.state, after.case.state
    if before.case.held_at is None or was is now:
        return True
    return now is State.WITHDRAWN or (was, now) == (State.AWAITING_FEE, State.REVIEWING)


def every_move_stands_in_the_table(before: World, after: World) -> bool:
    return before.case.state is after.case.state or after.case.state in disclosure.MOVES[before.case.state]


OF_A_STEP: tuple[Callable[[World, World], bool], ...] = (
    a_release_that_began_is_finished,
    what_is_over_stays_over,
    a_held_case_stands_still,
    every_move_stands_in_the_table,
)

A_REFUSAL_CHANGES_NOTHING = "a_refusal_changes_nothing"
FACTS_ARE_NEVER_REFUSED = "facts_are_never_refused"
AN_END_IS_WITHIN_REACH = "an_end_is_within_reach"


@dataclass
class Exploration:
    """What was found.

    Attributes:
        configurations: how many there are in each state.
        used: how often each event led to another configuration.
        violations: name of a property → the shortest way to break it.
    """

    configurations: Counter[State] = field(default_factory=Counter)
    used: Counter[str] = field(default_factory=Counter)
    violations: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class _Node:
    world: World
    came_from: "_Node | None" = None
    by: str = "a form comes in"
    leads_to: set[int] = field(default_factory=set)

    def way(self) -> list[str]:
        return [*(self.came_from.way() if self.came_from else []), self.by]


def explore(*, until: str = "") -> Exploration:
    """Let everything happen everywhere, or until a property is broken."""
    result = Exploration()
    nodes = [_Node(world) for world in beginnings()]
    number_of = {node.world.key(): number for number, node in enumerate(nodes)}
    for node in nodes:  # it grows
        result.configurations[node.world.case.state] += 1
        for event, after in _happenings(node, result):
            number = number_of.setdefault(after.key(), len(nodes))
            if number == len(nodes):
                nodes.append(_Node(after, node, event))
                _judge(result, nodes[-1])
            if relied_on(event, node.world):
                node.leads_to.add(number)
            result.used[event] += 1
        if until in result.violations:
            return result
    for node in _without_an_end(nodes):
        result.violations.setdefault(AN_END_IS_WITHIN_REACH, node.way())
    return result


def _happenings(node: _Node, result: Exploration) -> Iterable[tuple[str, World]]:
    """Yield what becomes of a world by each event that changes it. What changed nothing is used for the next event."""
    before = node.world
    after = before.copy()
    for name, event in EVENTS.items():
        try:
            event(after)
        except Refusal:
            if name in FACTS:
                result.violations.setdefault(FACTS_ARE_NEVER_REFUSED, [*node.way(), name])
            if not after.is_as(before):
                result.violations.setdefault(A_REFUSAL_CHANGES_NOTHING, [*node.way(), name])
                after = before.copy()
            continue
        if after.is_as(before):
            continue
        after.tidy()
        for holds in OF_A_STEP:
            if not holds(before, after):
                result.violations.setdefault(holds.__name__, [*node.way(), name])
        if before.case.is_open:
            yield name, after
        after = before.copy()


def _judge(result: Exploration, node: _Node) -> None:
    for holds in OF_A_WORLD:
        if holds.__name__ not in result.violations and not holds(node.world):
            result.violations[holds.__name__] = node.way()


def _without_an_end(nodes: list[_Node]) -> list[_Node]:
    led_from: dict[int, list[int]] = {}
    for number, node in enumerate(nodes):
        for onward in node.leads_to:
            led_from.setdefault(onward, []).append(number)
    good = {number for number, node in enumerate(nodes) if not node.world.case.is_open}
    edge = list(good)
    while edge:
        for number in led_from.get(edge.pop(), ()):
            if number not in good:
                good.add(number)
                edge.append(number)
    return [node for number, node in enumerate(nodes) if number not in good]


@pytest.fixture(scope="module")
def explored() -> Exploration:
    """The model as it is."""
    return explore()


def test_no_order_of_events_breaks_what_must_hold(explored: Exploration) -> None:
    assert explored.violations == {}


def test_the_exploration_has_not_shrunk(explored: Exploration) -> None:
    assert explored.configurations.total() > 2_000


def test_the_exploration_comes_to_every_state(explored: Exploration) -> None:
    assert set(explored.configurations) == set(State)


def test_every_event_happens_somewhere(explored: Exploration) -> None:
    refused_for_good = {
        "who proposed it approves",
        "who reviewed the papers approves",
        "it begins behind another that is open",
        "it begins behind another that is decided",
        "it begins behind another that is one-sided",
        "it begins behind another that is of a holder",
    }

    assert set(EVENTS) - set(explored.used) == refused_for_good


# The same exploration is shown what it must catch: each fault is put into the real model.

Fault = Callable[[pytest.MonkeyPatch], None]


def one_person_suffices(patch: pytest.MonkeyPatch) -> None:
    def approve(decision: Decision, *, by: str, digest: str, at: datetime, as_legal: bool) -> None:
        decision.approved_by, decision.approved_at, decision.as_legal = by, at, as_legal

    def binds(decision: Decision, case_version: int, *, needs_legal: bool) -> bool:
        return decision.approved_by is not None and decision.case_version == case_version

    patch.setattr(Decision, "approve", approve)
    patch.setattr(Decision, "binds", binds)


def stage_1_is_one_sided(patch: pytest.MonkeyPatch) -> None:
    reach = DisclosureCase.reach

    def reach_both(case: DisclosureCase, party: Party, **rest: Any) -> bool:
        reached = [reach(case, side, **rest) for side in Party]
        return any(reached)

    patch.setattr(DisclosureCase, "reach", reach_both)


def no_paper_is_needed(patch: pytest.MonkeyPatch) -> None:
    charge = DisclosureCase.charge

    def charge_at_once(case: DisclosureCase, decision: Decision, *, papers_good: bool, **rest: Any) -> None:
        charge(case, decision, papers_good=True, **rest)

    patch.setattr(DisclosureCase, "charge", charge_at_once)


def no_fee_is_needed(patch: pytest.MonkeyPatch) -> None:
    pay = DisclosureCase.pay

    def pay_nothing(case: DisclosureCase, total_yen: int, **rest: Any) -> bool:
        return pay(case, total_yen + case.fee_yen, **rest)

    patch.setattr(DisclosureCase, "pay", pay_nothing)


def the_fee_has_no_deadline(patch: pytest.MonkeyPatch) -> None:
    others = {state: reckon for state, reckon in disclosure.DEADLINES.items() if state is not State.AWAITING_FEE}
    patch.setattr(disclosure, "DEADLINES", others)


def no_opinion_is_awaited(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DisclosureCase, "opinion_is_heard", lambda case, now: True)  # noqa: ARG005 - the protocol's


def the_winding_down_interrupts_a_release(patch: pytest.MonkeyPatch) -> None:
    _change_moves(patch, {state: MOVES[state] | {State.SERVICE_ENDED} for state in RELEASES})


def a_seller_is_told_beforehand(patch: pytest.MonkeyPatch) -> None:
    def tell(case: DisclosureCase, *, at: datetime) -> bool:
        case.told_counterparty_at = at if case.is_eligible else None
        return bool(case.is_eligible)

    patch.setattr(DisclosureCase, "tell_counterparty", tell)


def nothing_leaves_review(patch: pytest.MonkeyPatch) -> None:
    _change_moves(patch, {State.REVIEWING: frozenset({State.WITHDRAWN, State.SERVICE_ENDED})})


def _change_moves(patch: pytest.MonkeyPatch, others: Mapping[State, frozenset[State]]) -> None:
    patch.setattr(disclosure, "MOVES", {**MOVES, **others})


NINE: Mapping[Fault, str] = {
    one_person_suffices: two_people_decide.__name__,
    stage_1_is_one_sided: stage_1_is_never_one_sided.__name__,
    no_paper_is_needed: papers_are_complete_and_good_before_a_release.__name__,
    no_fee_is_needed: the_fee_is_paid_before_a_release.__name__,
    the_fee_has_no_deadline: whatever_waits_has_a_deadline_or_an_owner.__name__,
    no_opinion_is_awaited: the_opinion_is_awaited_before_a_release.__name__,
    the_winding_down_interrupts_a_release: a_release_that_began_is_finished.__name__,
    a_seller_is_told_beforehand: a_seller_is_never_warned.__name__,
    nothing_leaves_review: AN_END_IS_WITHIN_REACH,
}


def a_cross_application_looks_at_nothing(patch: pytest.MonkeyPatch) -> None:
    def begin_after(case: DisclosureCase, other: DisclosureCase, *, at: datetime, policy: CasePolicy) -> None:
        case._need(State.SCREENING)
        case.released_at = other.released_at
        case._move(State.NEGOTIATING, at=at, policy=policy)

    patch.setattr(DisclosureCase, "begin_after", begin_after)


def a_hold_keeps_an_outdated_decision(patch: pytest.MonkeyPatch) -> None:
    void = DisclosureCase.void_decision
    patch.setattr(DisclosureCase, "void_decision", lambda case, **rest: case.held_at is None and void(case, **rest))


def a_hold_is_seen_too_late(patch: pytest.MonkeyPatch) -> None:
    def need(case: DisclosureCase, state: State) -> None:
        if case.state is not state:
            raise IllegalMove(case_id=case.id)

    patch.setattr(DisclosureCase, "_need", need)


def a_hold_is_not_seen(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DisclosureCase, "_need_no_hold", lambda case: None)  # noqa: ARG005 - the protocol's


def no_timer_is_heard(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(DisclosureCase, "run_out", lambda case, **rest: False)  # noqa: ARG005 - the protocol's


MORE: Mapping[Fault, str] = {
    a_cross_application_looks_at_nothing: stage_1_comes_before_stage_2.__name__,
    a_hold_keeps_an_outdated_decision: nothing_is_released_that_has_changed.__name__,
    a_hold_is_seen_too_late: A_REFUSAL_CHANGES_NOTHING,
    a_hold_is_not_seen: a_held_case_stands_still.__name__,
    no_timer_is_heard: a_deadline_that_passes_ends_it.__name__,
}
FAULTS = {**NINE, **MORE}


@pytest.mark.parametrize(("fault", "broken"), FAULTS.items(), ids=[fault.__name__ for fault in FAULTS])
def test_a_deliberate_fault_is_caught(fault: Fault, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)

    assert broken in explore(until=broken).violations


# What the exploration folds together is drawn by chance: days for an order of instants, more time, second notices.


def _extend(world: World) -> None:
    world.case.extend(world.now + timedelta(days=30), now=world.now)


def _announce(world: World) -> None:
    world.case.announce(at=world.now, policy=world.policy)
    world.case.announce_opinion(at=world.now, policy=world.policy)


def _days_pass(days: int) -> Event:
    def happen(world: World) -> None:
        world.now += timedelta(days=days)

    return happen


ALSO: Mapping[str, Event] = {
    "the checks find a protected address": screened(eligible=True, needs_legal=True),
    "more time is given": _extend,
    "its notices are sent": _announce,
    **{f"{days} days pass": _days_pass(days) for days in (1, 13, 31)},
}
WALKED = {name: event for name, event in {**EVENTS, **ALSO}.items() if name not in NOT_RELIED_ON - {"the service ends"}}


STARTS = [
    *beginnings(),
    world_after(*OPENED),
    world_after(confirm, screened(eligible=True), path=Path.RIGHTS_HOLDER),
    world_after(*EXCHANGED),
    world_after(*EXCHANGED, apply_for_stage_2),
    world_after(*EXCHANGED, apply_for_stage_2, receive_paper(0), receive_paper(1), accept_item(0)),
]


def _effective(world: World) -> dict[str, World]:
    found: dict[str, World] = {}
    for name, event in WALKED.items():
        after = world.copy()
        with suppress(Refusal):
            event(after)
        if not after.is_as(world):
            after.tidy()
            found[name] = after
    return found


# Explaining a failure means tracing every line of every walk.
@settings(max_examples=30, deadline=None, phases=set(Phase) - {Phase.explain})
@given(st.data())
def test_no_walk_of_days_breaks_what_must_hold(data: st.DataObject) -> None:
    world = data.draw(st.sampled_from(STARTS), "start").copy()
    for _ in range(30):
        happenings = _effective(world)
        before, name = world, data.draw(st.sampled_from(sorted(happenings)), "event")
        world = happenings[name]

        assert [holds.__name__ for holds in OF_A_WORLD if not holds(world)] == []
        assert [holds.__name__ for holds in OF_A_STEP if not holds(before, world)] == []
        if not world.case.is_open:
            break
