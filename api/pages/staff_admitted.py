"""Who is at a staff page: by a cookie that holds the page's link, good while the member's links are.

A form is believed if it bears what only our own page could have written; the cookie alone comes from our own pages too.
"""

import hmac
from dataclasses import dataclass
from urllib.parse import urlsplit

from fastapi import Request, Response
from sqlalchemy.orm import Session

from api.pages.failing import LinkUnknown
from models.shop import Shop
from models.staff import StaffMember
from worker import links
from worker.derived_keys import fingerprint
from worker.settings import settings

COOKIE = "toritsugi-staff"
LIFE_SECONDS = 12 * 60 * 60
"""A working day; after it the link in the mail opens the page again."""


@dataclass(frozen=True)
class AtDesk:
    """A member of a shop's staff at their page.

    Attributes:
        proof: what our own forms bear.
    """

    shop: Shop
    member: StaffMember
    proof: str

    @property
    def actor(self) -> str:
        """As trails name them."""
        return f"staff:{self.member.id}"


def member_of(session: Session, token: str) -> tuple[Shop, StaffMember]:
    """Return whose page a link opens.

    Raises:
        LinkUnknown: it is not ours, was revoked, or its member or shop takes no part (any more).
    """
    link = links.read_staff(token)
    member = session.get(StaffMember, (link.shop_id, link.staff_id)) if link else None
    shop = session.get(Shop, member.shop_id) if member else None
    if link is None or member is None or shop is None or not (member.enabled and shop.enabled):
        raise LinkUnknown
    if link.generation != member.link_generation:
        raise LinkUnknown
    return shop, member


def at_desk(session: Session, request: Request) -> AtDesk:
    """Return who asks for a page.

    Raises:
        LinkUnknown: nobody whose link is good.
    """
    token = request.cookies.get(COOKIE, "")
    shop, member = member_of(session, token)
    return AtDesk(shop, member, _proof(token))


def pressed(session: Session, request: Request, proof: str) -> AtDesk:
    """Return who pressed a button of our own page.

    Raises:
        LinkUnknown: nobody whose link is good, or the form is another site's.
    """
    desk = at_desk(session, request)
    # As bytes: text that is not ASCII cannot be compared so.
    if not hmac.compare_digest(desk.proof.encode(), proof.encode(errors="surrogatepass")):
        raise LinkUnknown
    return desk


def let_in(answer: Response, token: str) -> None:
    """Give a browser the cookie that stands for a link. No script can read it, and no other site's page sends it."""
    parts = urlsplit(settings().public_url)
    answer.set_cookie(
        COOKIE,
        token,
        max_age=LIFE_SECONDS,
        path=f"{parts.path.rstrip('/')}/staff",
        secure=parts.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def _proof(token: str) -> str:
    return fingerprint("staff-forms", token)[:32]
