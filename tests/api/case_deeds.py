"""Every operation that changes a case, ready to be done: from which state, by whom, with what body.

The tests of the API do each once, those of two operators each fifty times at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from models.decision import Verdict
from models.disclosure import DisclosureCase
from models.message import Kind
from models.paper import Paper
from models.roles import Operation
from models.work import Work
from tests.api.case_people import People
from tests.tasks.case_office import MAIL_ROOM
from worker.cases import papers, worklist

Body = Mapping[str, Any]
JUDGED = {"negotiated": True, "legal_interest": True, "no_other_way": True}


@dataclass(frozen=True)
class Deed:
    """One operation.

    Attributes:
        operation: as the table of roles names it.
        who: whose work it is.
        begin: plays a case to where it can be done.
        path: where it is done, below the case.
        body: what is sent besides a reason; both are made of the case as it is shown.
        event: how the trail names it.
        again: the code of the refusal that a second person gets.
    """

    operation: Operation
    who: str
    begin: Callable[[People], UUID]
    path: Callable[[Mapping[str, Any]], str]
    event: str
    again: str = "illegal_move"
    body: Callable[[Mapping[str, Any]], Body] = lambda _: {}

    def __str__(self) -> str:
        """Return its name, for a list of tests."""
        return self.event


def _screened(people: People) -> UUID:
    return people.office.screened()


def _proposed(people: People) -> UUID:
    case_id = people.office.screened()
    people.office.propose(case_id)
    return case_id


def _negotiating(people: People) -> UUID:
    return people.office.negotiating()


def _awaiting(people: People) -> UUID:
    case_id = people.office.negotiating()
    people.office.ask_for_stage_2(case_id)
    return case_id


def _reviewing(people: People) -> UUID:
    return people.office.reviewing()


def _charged(people: People) -> UUID:
    case_id = people.office.reviewing()
    people.office.accept_all(case_id)
    people.office.decide(case_id)
    return case_id


def _printed(people: People) -> UUID:
    case_id = people.office.releasing()
    people.office.print_letter(case_id)
    return case_id


def _over(people: People) -> UUID:
    case_id = people.office.reviewing()
    people.office.withdraw(case_id)
    return case_id


def _shredded(people: People) -> UUID:
    case_id = _over(people)

    def shred(session: Session, case: DisclosureCase) -> None:
        paper = session.get_one(Paper, UUID(people.shown(case_id)["papers"][0]["id"]))
        papers.destroy(session, case, paper, by=MAIL_ROOM, reason="over", now=people.office.now)

    people.change(case_id, shred)
    return case_id


def _held(people: People) -> UUID:
    case_id = people.office.negotiating()
    assert people.do("ito", f"/cases/{case_id}/hold").status_code == 200
    return case_id


def _suspicious(people: People) -> UUID:
    case_id = people.office.screened()

    def look(session: Session, case: DisclosureCase) -> None:
        worklist.open_work(session, case, Work.LOOK_AT_PATTERN, now=people.office.now)

    people.change(case_id, look)
    return case_id


def _on_their_way(people: People) -> UUID:
    """Return a case whose notices have reached nobody yet."""
    people.backroom.vendor_answers = False
    return people.office.screened()


def _first(shown: Mapping[str, Any], name: str) -> str:
    return str(shown[name][0]["id"])


def _opening(shown: Mapping[str, Any]) -> str:
    return str(next(each["id"] for each in shown["notices"] if each["kind"] == Kind.CASE_OPENED))


def _proposal(shown: Mapping[str, Any]) -> str:
    return str(next(each["id"] for each in reversed(shown["decisions"])))


def _a_day_more(shown: Mapping[str, Any]) -> Body:
    until = datetime.fromisoformat(shown["deadline_at"]) + timedelta(days=1)
    return {"until": until.isoformat(), "version": shown["version"]}


DEEDS = (
    Deed(
        Operation.MARK_INCOMPLETE,
        "ono",
        _screened,
        lambda _: "/incomplete",
        "incomplete",
        body=lambda _: {"missing": ["circumstances"]},
    ),
    Deed(
        Operation.PROPOSE,
        "kimura",
        _screened,
        lambda _: "/proposals",
        "proposed",
        body=lambda _: {"verdict": Verdict.DISCLOSE, "judged": JUDGED, "trouble": "breach_of_contract"},
    ),
    Deed(
        Operation.APPROVE,
        "sato",
        _proposed,
        lambda shown: f"/proposals/{_proposal(shown)}/approve",
        "approved",
        body=lambda shown: {"digest": shown["decisions"][-1]["digest"]},
    ),
    Deed(
        Operation.SEND_BACK,
        "sato",
        _proposed,
        lambda shown: f"/proposals/{_proposal(shown)}/send-back",
        "sent_back",
    ),
    Deed(
        Operation.RECORD_PAPER,
        "abe",
        _awaiting,
        lambda _: "/papers",
        "paper_recorded",
        "known_already",
        lambda shown: {
            "number": f"P-{len(shown['papers']) + 1}",
            "kind": "driving_licence",
            "is_original": False,
            "shelf": "A-1",
        },
    ),
    Deed(
        Operation.MOVE_PAPER,
        "abe",
        _reviewing,
        lambda shown: f"/papers/{_first(shown, 'papers')}/move",
        "paper_moved",
        "stale_revision",
        lambda shown: {"from_shelf": shown["papers"][0]["shelf"], "to_shelf": "safe-2"},
    ),
    Deed(
        Operation.DESTROY_PAPER,
        "abe",
        _over,
        lambda shown: f"/papers/{_first(shown, 'papers')}/destroy",
        "paper_shredded",
        "known_already",
    ),
    Deed(
        Operation.DESTROY_PAPER,
        "endo",
        _shredded,
        lambda shown: f"/papers/{_first(shown, 'papers')}/destroy/witness",
        "paper_destroyed",
    ),
    Deed(
        Operation.ACCEPT_ITEM,
        "mori",
        _reviewing,
        lambda shown: f"/items/{_first(shown, 'items')}/accept",
        "item_accepted",
        "known_already",
    ),
    Deed(
        Operation.MARK_DEFICIENT,
        "mori",
        _reviewing,
        lambda _: "/deficient",
        "papers_deficient",
        body=lambda shown: {"found": [{"item": shown["items"][2]["id"], "flaws": ["not_sealed"]}]},
    ),
    Deed(
        Operation.ASK_FOR_PAPER,
        "mori",
        _awaiting,
        lambda _: "/items",
        "paper_wanted",
        "stale_revision",
        lambda shown: {"wish": "賃貸借契約書のコピー", "position": len(shown["items"]) + 1},
    ),
    Deed(
        Operation.RECORD_PAYMENT,
        "ueda",
        _charged,
        lambda _: "/payments",
        "paid",
        "known_already",
        lambda shown: {"number": "B-1", "amount_yen": shown["fee_yen"], "paid_at": shown["since"]},
    ),
    Deed(Operation.SPOIL_LETTER, "abe", _printed, lambda _: "/letter/spoil", "letter_spoiled"),
    Deed(
        Operation.RECORD_DISPATCH,
        "abe",
        _printed,
        lambda _: "/letter/dispatch",
        "letter_posted",
        "known_already",
        lambda _: {"tracking_number": "1234-5678-9012"},
    ),
    Deed(Operation.EXTEND, "ono", _negotiating, lambda _: "/extend", "extended", "stale_revision", body=_a_day_more),
    Deed(Operation.HOLD, "ito", _negotiating, lambda _: "/hold", "held", "case_held"),
    Deed(Operation.RESUME, "ito", _held, lambda _: "/resume", "resumed"),
    Deed(
        Operation.DEEM_ARRIVED,
        "ono",
        _on_their_way,
        lambda shown: f"/notices/{_first(shown, 'notices')}/deem-arrived",
        "arrival_recorded",
        "known_already",
    ),
    Deed(
        Operation.NOTIFY_AGAIN,
        "ono",
        _screened,
        lambda shown: f"/notices/{_opening(shown)}/again",
        "notified_again",
        "known_already",
    ),
    Deed(
        Operation.CLOSE_WORK,
        "ito",
        _suspicious,
        lambda shown: f"/work/{next(each['id'] for each in shown['work'] if each['work'] == 'look_at_pattern')}/close",
        "work_closed",
        "known_already",
    ),
)
