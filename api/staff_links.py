"""Links to staff pages, for operators: made for one member of a shop's staff, and revoked all at once (B7, B32)."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session

from api.access import covered, needs
from api.description import says
from api.idempotency import Answer, Submission, submitted
from api.in_call_answers import StaffLinkShown, StaffLinksRevoked
from models.access import ApiKey, Scope
from models.errors import StaffUnknown
from models.staff import StaffMember
from worker import links, presence
from worker.database import database

router = APIRouter(prefix="/v1/shops", tags=["calls"])

Operator = Annotated[ApiKey, Depends(needs(Scope.OPERATOR))]
SentByOperator = Annotated[Submission, Depends(submitted(Scope.OPERATOR))]


@router.post(
    "/{shop_id}/staff/{staff_id}/links",
    **says(200, StaffLinkShown, "shop_closed", "staff_unknown", title="Make a link to a staff page"),
)
def make_link(shop_id: str, staff_id: str, caller: Operator) -> JSONResponse:
    """Return the link to a member's page. It is good until the member's links are revoked; nothing of it is stored."""
    covered(caller, shop_id)
    with database().snapshot() as session:
        member = presence.member(session, shop_id, staff_id)
        url = links.staff_page_url(shop_id, staff_id, member.link_generation)
        return JSONResponse({"shop": shop_id, "staff": staff_id, "generation": member.link_generation, "url": url})


@router.post(
    "/{shop_id}/staff/{staff_id}/links/revoke",
    **says(200, StaffLinksRevoked, "shop_closed", "staff_unknown", title="Revoke the links to a staff page"),
)
def revoke_links(shop_id: str, staff_id: str, sent: SentByOperator) -> JSONResponse:
    """Make every link to a member's page worthless, and whoever is on such a page a stranger."""
    covered(sent.caller, shop_id)

    def act(session: Session) -> Answer:
        member = session.get(StaffMember, (shop_id, staff_id), with_for_update=True)
        if member is None:
            raise StaffUnknown(shop_id=shop_id)
        member.revoke_links()
        return Answer({"shop": shop_id, "staff": staff_id, "generation": member.link_generation})

    return sent.answer(None, act)
