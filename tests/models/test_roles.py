"""Who may do what: every operation has its roles, no role alone carries a decision, and all work has an owner."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy.exc import IntegrityError

from models.decision import Stage
from models.disclosure import WAITS_FOR_US, State
from models.errors import FourEyes
from models.roles import ROLES, Operation, Role, may, role_for
from models.work import CLOSED_BY_HAND, DONE_BY, Work, WorkItem
from tests.models.case_world import CASE, FILED_AT, OTHER_CASE, a_case, a_decision, write

READS = frozenset({Operation.LIST_WORK, Operation.SHOW_CASE, Operation.REVEAL, Operation.READ_AUDIT})
OF_THE_MAIL = frozenset(
    {Operation.RECORD_PAPER, Operation.MOVE_PAPER, Operation.PRINT_LETTER, Operation.RECORD_DISPATCH}
)

# The work of each state that waits for us, and what a person does to end it.
ENDED_BY: Mapping[State, Mapping[Work, frozenset[Operation]]] = {
    State.SCREENING: {
        Work.SCREEN: frozenset({Operation.PROPOSE, Operation.MARK_INCOMPLETE}),
        Work.APPROVE: frozenset({Operation.APPROVE, Operation.SEND_BACK}),
    },
    State.EXCHANGING: {Work.FINISH_EXCHANGE: frozenset({Operation.DEEM_ARRIVED, Operation.NOTIFY_AGAIN})},
    State.REVIEWING: {
        Work.REVIEW_PAPERS: frozenset({Operation.ACCEPT_ITEM, Operation.MARK_DEFICIENT}),
        Work.APPROVE: frozenset({Operation.APPROVE, Operation.SEND_BACK}),
    },
    State.RELEASING: {
        Work.PRINT_LETTER: frozenset({Operation.PRINT_LETTER, Operation.SPOIL_LETTER}),
        Work.POST_LETTER: frozenset({Operation.RECORD_DISPATCH}),
    },
}


def operations_of(role: Role) -> set[Operation]:
    return {operation for operation in Operation if may([role], operation)}


def test_every_operation_has_its_roles_and_the_table_knows_no_other() -> None:
    assert set(ROLES) == set(Operation)
    assert all(ROLES.values())


def test_every_role_is_there_for_something() -> None:
    assert all(operations_of(role) for role in Role)


@pytest.mark.parametrize("operation", Operation)
def test_somebody_without_a_role_may_do_nothing(operation: Operation) -> None:
    assert not may([], operation)
    assert role_for([], operation) is None


@pytest.mark.parametrize("operation", Operation)
def test_a_role_that_nobody_knows_may_do_nothing(operation: Operation) -> None:
    assert not may(["superuser", "MAKER", "maker "], operation)


@pytest.mark.parametrize("operation", Operation)
def test_one_fitting_role_among_several_is_enough_and_it_is_named(operation: Operation) -> None:
    fitting = min(ROLES[operation])

    assert may(["superuser", fitting], operation)
    assert role_for(["superuser", fitting], operation) is fitting


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("role", Role)
def test_a_role_is_named_exactly_where_it_may(operation: Operation, role: Role) -> None:
    assert (role_for([role], operation) is role) is may([role], operation)


# Least privilege (S5)


def test_an_administrator_sees_no_personal_data_and_decides_nothing() -> None:
    assert operations_of(Role.ADMIN) == {Operation.LIST_WORK}


def test_an_auditor_reveals_nothing_and_moves_no_case() -> None:
    assert operations_of(Role.AUDITOR) <= READS - {Operation.REVEAL} | {Operation.DESTROY_PAPER, Operation.CLOSE_WORK}


@pytest.mark.parametrize("role", [Role.MAIL_ROOM, Role.ACCOUNTING, Role.AUDITOR, Role.ADMIN])
def test_sealed_data_is_opened_by_those_alone_who_decide_on_it(role: Role) -> None:
    assert not may([role], Operation.REVEAL)


@pytest.mark.parametrize("operation", sorted(OF_THE_MAIL))
def test_paper_is_in_the_mail_rooms_hands_alone(operation: Operation) -> None:
    # A letter with an address that came under protection is printed by the legal role (S16).
    besides = {Role.LEGAL} if operation is Operation.PRINT_LETTER else set()

    assert ROLES[operation] == {Role.MAIL_ROOM} | besides


def test_money_is_recorded_by_accounting_alone() -> None:
    assert ROLES[Operation.RECORD_PAYMENT] == {Role.ACCOUNTING}


@pytest.mark.parametrize("operation", [Operation.HOLD, Operation.RESUME, Operation.STOP_RELEASES])
def test_what_stops_a_case_is_the_legal_departments(operation: Operation) -> None:
    assert ROLES[operation] == {Role.LEGAL}


# Two pairs of eyes (S6)


@pytest.mark.parametrize("role", Role)
def test_no_role_alone_carries_a_decision(role: Role) -> None:
    assert not {Operation.PROPOSE, Operation.APPROVE} <= operations_of(role)


@pytest.mark.parametrize("role", Role)
def test_who_judges_papers_approves_nothing_by_that_role(role: Role) -> None:
    assert not {Operation.ACCEPT_ITEM, Operation.APPROVE} <= operations_of(role)


def test_who_bears_all_roles_is_one_person_all_the_same() -> None:
    everything = [str(role) for role in Role]
    decision = a_decision(a_case(), Stage.ADDRESSES, proposed_by="person:a")
    assert may(everything, Operation.PROPOSE)
    assert may(everything, Operation.APPROVE)

    with pytest.raises(FourEyes):
        decision.approve(by="person:a", digest=decision.digest, at=FILED_AT, as_legal=True)


# Work: what waits for us has an owner


def test_all_work_is_somebodys() -> None:
    assert set(DONE_BY) == set(Work)


@pytest.mark.parametrize("work", Work)
def test_who_is_to_do_work_finds_it_and_sees_its_case(work: Work) -> None:
    assert {Operation.LIST_WORK, Operation.SHOW_CASE} <= operations_of(DONE_BY[work])


def test_each_state_that_waits_for_us_has_work_that_ends_it() -> None:
    assert set(ENDED_BY) == WAITS_FOR_US


@pytest.mark.parametrize(
    ("work", "operations"),
    [(work, operations) for works in ENDED_BY.values() for work, operations in works.items()],
)
def test_who_is_to_do_the_work_may_do_it(work: Work, operations: frozenset[Operation]) -> None:
    assert operations & operations_of(DONE_BY[work])


def test_work_that_a_state_waits_for_is_not_taken_off_the_list_by_hand() -> None:
    assert not CLOSED_BY_HAND & {work for works in ENDED_BY.values() for work in works}


@pytest.mark.parametrize("work", sorted(CLOSED_BY_HAND))
def test_what_is_closed_by_hand_is_closed_by_whose_it_is(work: Work) -> None:
    assert may([DONE_BY[work]], Operation.CLOSE_WORK)


def item(number: int = 1, **columns: object) -> WorkItem:
    plain = {
        "id": UUID(int=number),
        "case_id": CASE,
        "work": Work.SCREEN,
        "role": Role.MAKER,
        "opened_at": FILED_AT,
        "open_key": f"{CASE}:{Work.SCREEN}",
    }
    return WorkItem(**(plain | columns))


def test_what_is_done_leaves_its_place_on_the_list() -> None:
    done = item()

    done.close(by="person:a", at=FILED_AT + timedelta(hours=1))

    assert (done.closed_by, done.closed_at, done.open_key) == ("person:a", FILED_AT + timedelta(hours=1), None)
    write(done, item(2))


def test_the_same_work_stands_on_the_list_once() -> None:
    with pytest.raises(IntegrityError, match="open_key"):
        write(item(), item(2))


def test_each_case_has_its_own_work() -> None:
    write(item(), item(2, case_id=OTHER_CASE, open_key=f"{OTHER_CASE}:{Work.SCREEN}"))
