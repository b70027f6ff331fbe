"""Who in the house may do what with a case: one table of roles and operations (S5). No person's name stands here."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    """What a person is there for. One person may bear several; two pairs of eyes are two persons all the same."""

    INTAKE = "intake"
    REVIEWER = "reviewer"
    MAKER = "maker"
    CHECKER = "checker"
    LEGAL = "legal"
    MAIL_ROOM = "mail_room"
    ACCOUNTING = "accounting"
    AUDITOR = "auditor"
    ADMIN = "admin"
    """Keeps keys and settings; sees no personal data."""


class Operation(StrEnum):
    """What can be done."""

    LIST_WORK = "list_work"
    SHOW_CASE = "show_case"
    REVEAL = "reveal"
    """Open sealed data: with a reason, audited, limited in rate."""
    MARK_INCOMPLETE = "mark_incomplete"
    PROPOSE = "propose"
    APPROVE = "approve"
    SEND_BACK = "send_back"
    RECORD_PAPER = "record_paper"
    MOVE_PAPER = "move_paper"
    DESTROY_PAPER = "destroy_paper"
    ACCEPT_ITEM = "accept_item"
    MARK_DEFICIENT = "mark_deficient"
    ASK_FOR_PAPER = "ask_for_paper"
    RECORD_PAYMENT = "record_payment"
    PREVIEW_LETTER = "preview_letter"
    PRINT_LETTER = "print_letter"
    SPOIL_LETTER = "spoil_letter"
    RECORD_DISPATCH = "record_dispatch"
    EXTEND = "extend"
    HOLD = "hold"
    RESUME = "resume"
    DEEM_ARRIVED = "deem_arrived"
    NOTIFY_AGAIN = "notify_again"
    CLOSE_WORK = "close_work"
    READ_AUDIT = "read_audit"
    STOP_RELEASES = "stop_releases"
    """Stop all releases of personal data, and let them go on again (S17)."""


_EVERYBODY = frozenset(Role)
_DESK = _EVERYBODY - {Role.ADMIN}
_HANDLERS = frozenset({Role.INTAKE, Role.REVIEWER, Role.MAKER, Role.CHECKER, Role.LEGAL})

ROLES: Mapping[Operation, frozenset[Role]] = MappingProxyType(
    {
        Operation.LIST_WORK: _EVERYBODY,
        Operation.SHOW_CASE: _DESK,
        Operation.REVEAL: _HANDLERS,
        Operation.MARK_INCOMPLETE: frozenset({Role.INTAKE, Role.MAKER}),
        Operation.PROPOSE: frozenset({Role.MAKER}),
        Operation.APPROVE: frozenset({Role.CHECKER, Role.LEGAL}),
        Operation.SEND_BACK: frozenset({Role.MAKER, Role.CHECKER, Role.LEGAL}),
        Operation.RECORD_PAPER: frozenset({Role.MAIL_ROOM}),
        Operation.MOVE_PAPER: frozenset({Role.MAIL_ROOM}),
        Operation.DESTROY_PAPER: frozenset({Role.MAIL_ROOM, Role.AUDITOR}),
        Operation.ACCEPT_ITEM: frozenset({Role.REVIEWER}),
        Operation.MARK_DEFICIENT: frozenset({Role.REVIEWER}),
        Operation.ASK_FOR_PAPER: frozenset({Role.REVIEWER, Role.LEGAL}),
        Operation.RECORD_PAYMENT: frozenset({Role.ACCOUNTING}),
        Operation.PREVIEW_LETTER: frozenset({Role.MAKER, Role.CHECKER, Role.LEGAL, Role.MAIL_ROOM}),
        Operation.PRINT_LETTER: frozenset({Role.MAIL_ROOM, Role.LEGAL}),
        Operation.SPOIL_LETTER: frozenset({Role.MAIL_ROOM}),
        Operation.RECORD_DISPATCH: frozenset({Role.MAIL_ROOM}),
        Operation.EXTEND: frozenset({Role.INTAKE, Role.REVIEWER, Role.LEGAL}),
        Operation.HOLD: frozenset({Role.LEGAL}),
        Operation.RESUME: frozenset({Role.LEGAL}),
        Operation.DEEM_ARRIVED: frozenset({Role.INTAKE, Role.LEGAL}),
        Operation.NOTIFY_AGAIN: frozenset({Role.INTAKE}),
        Operation.CLOSE_WORK: _DESK,
        Operation.READ_AUDIT: frozenset({Role.AUDITOR, Role.LEGAL}),
        Operation.STOP_RELEASES: frozenset({Role.LEGAL}),
    }
)
"""Operation → the roles one of which it takes."""


def may(roles: Iterable[str], operation: Operation) -> bool:
    """Whether somebody with these roles may do this."""
    return bool(ROLES[operation].intersection(roles))


def role_for(roles: Iterable[str], operation: Operation) -> Role | None:
    """Return the role in which somebody with these roles does this; None if they may not."""
    borne = ROLES[operation].intersection(roles)
    return next((role for role in Role if role in borne), None)
