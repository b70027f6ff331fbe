"""What the mail room writes down of papers, and what reviewers find (D27 to D37). They come by post; none goes back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from pydantic import Field
from sqlalchemy.orm import Session

from api.case_desk import PREFIX, TAGS, Deed, Reasoned, done_by, works
from api.case_requests import Day, Said
from api.problems import Problem
from api.resources import CountableInstant, Given, shown
from models.disclosure import DisclosureCase
from models.errors import KnownAlready, StaleRevision
from models.paper import DocumentItem, Flaw, ItemKind, Paper, PaperKind, Seen
from models.roles import Operation
from worker.cases import papers

router = APIRouter(prefix=f"{PREFIX}/cases/{{case_id}}", tags=[*TAGS])

Shelf = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,39}$", examples=["A-1"])]
_ITEM_ID = "0197e3a2-7d00-7b20-9d33-0b1f4b1f3904"


class PaperSeen(Reasoned):
    """A paper as it came out of its envelope. There is no place here for what stands on it (S10)."""

    model_config = shown(
        {
            "number": "P-2030-0017",
            "kind": "certificate_of_residence",
            "is_original": True,
            "issued_on": "2030-06-20",
            "address_equal": True,
            "shelf": "A-1",
            "reason": "came by registered mail",
        }
    )

    number: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="The mail room's own, written on the paper: recorded twice it is one paper.",
    )
    kind: PaperKind
    is_original: bool = Field(description="As the office issued it, or signed by hand; false for a copy (D33).")
    issued_on: Day | None = Field(None, description="The date on it, where it has one (A8).")
    applied_on: Day | None = Field(None, description="When a passport was applied for, if that can be seen (A21).")
    pledge_version: str | None = Field(None, pattern=r"^[A-Za-z0-9.-]{1,20}$", description="As printed on it (D36).")
    states_neither: bool = Field(
        default=False, description="It came with the statement that there is neither licence nor passport (D35)."
    )
    forbidden_data_visible: bool = Field(default=False, description="A number that must be masked can be read (S10).")
    address_equal: bool | None = Field(None, description="The certificate's address; null: not compared (D34).")
    seal_matches: bool | None = Field(None, description="The seal certificate's; null: not compared (D37).")
    shelf: Shelf = Field(description="Where it lies.")
    item: ItemKind | None = Field(None, description="What it came for, if that is known.")
    arrived_at: CountableInstant | None = Field(None, description="When it reached us; now, if not said.")
    postage_due_yen: int = Field(0, ge=0, le=100_000, description="What we paid for it (D42).")

    def seen(self) -> Seen:
        """Return what is on it."""
        return Seen(
            kind=self.kind,
            is_original=self.is_original,
            issued_on=self.issued_on,
            applied_on=self.applied_on,
            pledge_version=self.pledge_version,
            states_neither=self.states_neither,
            forbidden_data_visible=self.forbidden_data_visible,
            address_equal=self.address_equal,
            seal_matches=self.seal_matches,
        )


class PaperMoved(Reasoned):
    """Where a paper was taken from, and where it lies now."""

    model_config = shown({"from_shelf": "A-1", "to_shelf": "safe-2", "reason": "for the review"})

    from_shelf: Shelf
    to_shelf: Shelf


class ItemFound(Given):
    """What is wrong with one paper."""

    model_config = shown({"item": _ITEM_ID, "flaws": ["not_sealed"]})

    item: UUID
    flaws: list[Flaw] = Field(min_length=1, max_length=len(Flaw))


class Deficient(Reasoned):
    """What is wrong with which papers. It is told to the applicant, the reason is not (A10)."""

    model_config = shown({"found": [{"item": _ITEM_ID, "flaws": ["not_sealed"]}], "reason": "compared all four"})

    found: list[ItemFound] = Field(min_length=1, max_length=50)


class PaperWanted(Reasoned):
    """Another paper that is asked for (D28)."""

    model_config = shown(
        {"wish": "賃貸借契約書のコピー", "position": 5, "reason": "the two addresses differ by a house name"}
    )

    position: int = Field(ge=1, le=100, description="Its place in the list: one more than there are.")
    wish: Said = Field(min_length=1, max_length=200, description="As the applicant is asked for it.")
    until: CountableInstant | None = Field(
        None, description="Its own exclusive end, not before the others'; the time of a deficiency, if not said."
    )


@router.post("/papers", **works("known_already", "invalid_request", title="Record a paper"))
def record_paper(
    case_id: UUID, body: PaperSeen, deed: Annotated[Deed, Depends(done_by(Operation.RECORD_PAPER))]
) -> JSONResponse:
    """Write down a paper that came by post, whether or not anything waits for it. What it shows is judged at once."""
    arrived = papers.Arrived(
        number=body.number,
        seen=body.seen(),
        arrived_at=body.arrived_at or deed.at,
        shelf=body.shelf,
        item=body.item,
        postage_due_yen=body.postage_due_yen,
    )
    if arrived.arrived_at > deed.at:
        fault = {"pointer": "/arrived_at", "detail": "this is yet to come"}
        raise Problem(422, "invalid_request", "A paper is recorded when it is there.", errors=[fault])

    def act(session: Session, case: DisclosureCase) -> None:
        if papers.record(session, case, arrived, by=deed.by, reason=body.reason, now=deed.at) is None:
            raise KnownAlready(case_id=case.id)

    return deed.on(case_id, body, act)


@router.post(
    "/papers/{paper_id}/move",
    **works("paper_not_found", "stale_revision", title="Move a paper"),
)
def move_paper(
    case_id: UUID, paper_id: UUID, body: PaperMoved, deed: Annotated[Deed, Depends(done_by(Operation.MOVE_PAPER))]
) -> JSONResponse:
    """Write down where a paper lies now (S11). It must lie where it is said to have been taken from."""

    def act(session: Session, case: DisclosureCase) -> None:
        paper = _paper(session, case, paper_id)
        papers.move(
            session,
            case,
            paper,
            body.to_shelf,
            before=body.from_shelf,
            by=deed.by,
            reason=body.reason,
            now=deed.at,
        )

    return deed.on(case_id, body, act)


@router.post(
    "/papers/{paper_id}/destroy",
    **works("paper_not_found", "known_already", title="Write down that a paper was shredded"),
)
def destroy_paper(
    case_id: UUID, paper_id: UUID, body: Reasoned, deed: Annotated[Deed, Depends(done_by(Operation.DESTROY_PAPER))]
) -> JSONResponse:
    """Write down that a paper of a case that is over was shredded. It counts once a second person says so (S9)."""

    def act(session: Session, case: DisclosureCase) -> None:
        paper = _paper(session, case, paper_id)
        papers.destroy(session, case, paper, by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


@router.post(
    "/papers/{paper_id}/destroy/witness",
    **works("paper_not_found", "four_eyes", title="Confirm that a paper was shredded"),
)
def witness_destruction(
    case_id: UUID, paper_id: UUID, body: Reasoned, deed: Annotated[Deed, Depends(done_by(Operation.DESTROY_PAPER))]
) -> JSONResponse:
    """Say, as the second person and with a key of one's own, that one saw it shredded."""

    def act(session: Session, case: DisclosureCase) -> None:
        paper = _paper(session, case, paper_id)
        papers.witness_destruction(session, case, paper, by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


@router.post(
    "/items/{item_id}/accept",
    **works("item_not_found", "known_already", title="Accept a paper"),
)
def accept_item(
    case_id: UUID, item_id: UUID, body: Reasoned, deed: Annotated[Deed, Depends(done_by(Operation.ACCEPT_ITEM))]
) -> JSONResponse:
    """Write down that a paper was compared with the others and the registry, and found good (D34, D36, D37).

    Whoever accepts a paper may not approve what follows from it.
    """

    def act(session: Session, case: DisclosureCase) -> None:
        item = session.get(DocumentItem, item_id, with_for_update=True)
        if item is None or item.case_id != case.id:
            raise Problem(404, "item_not_found", "The case's list has no such paper.")
        papers.accept(session, case, item, by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


@router.post("/deficient", **works("case_held", "case_not_ready", "item_not_found", title="Find papers deficient"))
def mark_deficient(
    case_id: UUID, body: Deficient, deed: Annotated[Deed, Depends(done_by(Operation.MARK_DEFICIENT))]
) -> JSONResponse:
    """Tell the applicant what is wrong with which papers, twice at most; there is time to mend it (A10)."""

    def act(session: Session, case: DisclosureCase) -> None:
        found = {each.item: each.flaws for each in body.found}
        if not set(found) <= {item.id for item in papers.items_of(session, case)}:
            raise Problem(404, "item_not_found", "The case's list has no such paper.")
        papers.find(session, case, found, by=deed.by, reason=body.reason, now=deed.at)

    return deed.on(case_id, body, act)


@router.post("/items", **works("case_held", "case_not_ready", "stale_revision", title="Ask for another paper"))
def ask_for_paper(
    case_id: UUID, body: PaperWanted, deed: Annotated[Deed, Depends(done_by(Operation.ASK_FOR_PAPER))]
) -> JSONResponse:
    """Ask the applicant for another paper besides (D28)."""

    def act(session: Session, case: DisclosureCase) -> None:
        if body.position != len(papers.items_of(session, case)) + 1:
            raise StaleRevision(case_id=case.id)
        papers.ask_for(session, case, body.wish, by=deed.by, reason=body.reason, now=deed.at, until=body.until)

    return deed.on(case_id, body, act)


def _paper(session: Session, case: DisclosureCase, paper_id: UUID) -> Paper:
    paper = session.get(Paper, paper_id, with_for_update=True)
    if paper is None or paper.case_id != case.id:
        raise Problem(404, "paper_not_found", "No such paper came for this case.")
    return paper
