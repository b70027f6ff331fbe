"""Addresses that look like one of our pages and are none: cut off, mistyped, or a button's address pressed wrongly."""

from fastapi import APIRouter

from api.pages.failing import LinkUnknown, PageRoute

router = APIRouter(route_class=PageRoute)


@router.api_route("/s/{rest:path}", methods=["GET", "HEAD", "POST"])
@router.api_route("/v/{rest:path}", methods=["GET", "HEAD", "POST"])
@router.api_route("/b/{rest:path}", methods=["GET", "HEAD", "POST"])
@router.api_route("/c/{rest:path}", methods=["GET", "HEAD", "POST"])
def lost(rest: str) -> None:  # noqa: ARG001 - what stands there opens nothing
    """Say on a page that there is none; it must be asked after all others."""
    raise LinkUnknown
