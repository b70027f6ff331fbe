"""How a page leaves: from a template, in the reader's language, with its frame and the headers that protect it.

It knows what stands around every page; what a page says comes from the page.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.pages.assets import hashed_name
from api.pages.reader import Reader
from models.shop import Shop
from models.suspension import Suspension
from models.terms import Party, TermsDocument, governing
from worker import suspending
from worker.video import provider_named
from worker.wording import dates

_SEEN: dict[str, Shop] = {}
"""Shops that stood around a page of this process, as they were then: whom to ask while the database is away (B30)."""


@dataclass(frozen=True)
class Frame:
    """What stands around a page: whose it is, whom to ask, which terms govern (B27, B30, B36).

    Attributes:
        shops: the page's shop; where none is known, all that take part, so that nobody is left without a contact.
        documents: the governing terms, ours and the video provider's.
        provider: who carries the call that the page is about (B29); None: whoever carries new ones.
        stops: the suspensions that the page speaks of, and whether each runs (B40, B42).
    """

    shops: Sequence[Shop] = ()
    documents: Sequence[TermsDocument] = ()
    provider: str | None = None
    stops: Sequence[tuple[Suspension, bool]] = ()

    @classmethod
    def of(cls, session: Session, shop: Shop | None, *, now: datetime, provider: str | None = None) -> "Frame":
        """Return the frame of one shop's page, or of a page of none; `provider`: whose call it is about, on record."""
        shops = [shop] if shop else session.scalars(select(Shop).where(Shop.enabled).order_by(Shop.id)).all()
        documents = session.scalars(select(TermsDocument)).all()
        said = suspending.said_of(session, shop.id, at=now, provider=provider) if shop else ()
        stops = [(stop, stop.runs(now)) for stop in said]
        return cls(shops, governing(documents, now, provider=provider_named(provider).name), provider, stops)

    @classmethod
    def remembered(cls, shop_id: str) -> "Frame":
        """Return a frame without the database: the shop's if this process has shown it, else of all that it has."""
        known = dict(_SEEN)
        return cls([known[shop_id]] if shop_id in known else [known[each] for each in sorted(known)])

    @property
    def shop(self) -> Shop | None:
        """The page's one shop."""
        return self.shops[0] if len(self.shops) == 1 else None

    @property
    def terms_url(self) -> str | None:
        """Our terms."""
        return next((each.url for each in self.documents if each.party is Party.PLATFORM), None)

    @property
    def provider_terms_url(self) -> str | None:
        """The video provider's terms."""
        return next((each.url for each in self.documents if each.party is Party.PROVIDER), None)


@dataclass(frozen=True)
class _Stop:
    """A suspension in words, in the shop's zone."""

    notice_url: str
    is_running: bool
    starts: str
    ends: str | None

    @classmethod
    def of(cls, stop: Suspension, is_running: bool, shop: Shop, reader: Reader) -> "_Stop":  # noqa: FBT001 - said so
        zone = ZoneInfo(shop.zone)
        starts = dates.long(stop.starts_at, zone, reader.language)
        ends = dates.long(stop.ends_at, zone, reader.language) if stop.ends_at else None
        return cls(stop.notice_url, is_running, starts, ends)


def show(
    request: Request,
    template: str,
    frame: Frame,
    *,
    reader: Reader,
    status: int = 200,
    here: str | None = None,
    asks: Mapping[str, str | list[str]] | None = None,
    leads_to: Sequence[str] = (),
    is_private: bool = True,
    needs_camera: bool = False,
    polls: bool = False,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return a page.

    Args:
        request: what it answers.
        template: its name without ending.
        frame: what stands around it.
        reader: who reads it.
        status: HTTP status.
        here: the path that shows it by GET, for the link to the other language; the request's own when absent.
        asks: the query that belongs to `here`.
        leads_to: origins besides ours that its forms may end at.
        is_private: whether search engines have no business with it.
        needs_camera: whether it may ask for camera and microphone.
        polls: whether its script may ask our own server how things stand, or tell it that the page was closed.
        headers: more headers.
        values: what its template says besides.
    """
    _SEEN.update({each.id: each for each in frame.shops})
    asked = request.query_params
    query = {name: asked.getlist(name) for name in asked if name != "lang"} if here is None else asks
    body = (
        _templates()
        .get_template(f"{template}.html")
        .render(
            t=reader.says,
            url=reader.url,
            reader=reader,
            other=reader.other_language(),
            other_url=reader.other_language().url(here or request.url.path, query),
            asset=lambda name: Reader(reader.language).url(f"/assets/{hashed_name(name)}"),
            frame=frame,
            shop=frame.shop,
            provider=provider_named(frame.provider).display_name,
            is_private=is_private,
            stops=[_Stop.of(*stop, frame.shop, reader) for stop in frame.stops if frame.shop],
            **values,
        )
    )
    protected = page_headers(leads_to=leads_to, is_private=is_private, needs_camera=needs_camera, polls=polls)
    return HTMLResponse(
        body,
        status_code=status,
        headers={**protected, "Content-Language": reader.language, **(headers or {})},
    )


def remember_shops(session: Session) -> None:
    """Keep every shop's contact form at hand, for pages that say that the database is away (B30)."""
    _SEEN.update({each.id: each for each in session.scalars(select(Shop).where(Shop.enabled))})


def see_other(url: str) -> RedirectResponse:
    """Return the answer to a POST that has done its work: look there (RFC 9110 §15.4.4)."""
    return RedirectResponse(url, status_code=303, headers=page_headers())


def page_headers(
    *, leads_to: Sequence[str] = (), is_private: bool = True, needs_camera: bool = False, polls: bool = False
) -> dict[str, str]:
    """Return the headers that protect a page; the arguments are those of `show`."""
    # Chromium holds form-action against every hop of a redirect, so a call's own server has to be named.
    form_action = " ".join(["'self'", *leads_to])
    camera = "camera=(self), microphone=(self)" if needs_camera else "camera=(), microphone=()"
    connect = "connect-src 'self'; " if polls else ""
    headers = {
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; {connect}"
            f"form-action {form_action}; base-uri 'none'; frame-ancestors 'none'"
        ),
        # Addresses of pages are keys to bookings: no other site may learn them.
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": f"{camera}, geolocation=()",
        "Cache-Control": "no-store",
        "Vary": "Accept-Language",
    }
    return headers | ({"X-Robots-Tag": "noindex, nofollow"} if is_private else {})


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("api.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
