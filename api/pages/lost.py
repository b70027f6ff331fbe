"""Addresses that look like one of our pages and are none: cut off, mistyped, or a button's address pressed wrongly."""

from fastapi import APIRouter

from api.pages.failing import CasePageRoute, LinkUnknown, PageRoute

router = APIRouter(route_class=PageRoute)
_cases = APIRouter(route_class=CasePageRoute)


@router.api_route("/s/{rest:path}", methods=["GET", "HEAD", "POST"])
@router.api_route("/v/{rest:path}", methods=["GET", "HEAD", "POST"])
@router.api_route("/b/{rest:path}", methods=["GET", "HEAD", "POST"])
@router.api_route("/c/{rest:path}", methods=["GET", "HEAD", "POST"])
def lost(rest: str) -> None:  # noqa: ARG001 - what stands there opens nothing
    """Say on a page that there is none; it must be asked after all others."""
    raise LinkUnknown


@_cases.api_route("/case/{rest:path}", methods=["GET", "HEAD", "POST"])
def lost_case(rest: str) -> None:  # noqa: ARG001 - what stands there opens nothing
    """Say the same with the office's contact."""
    raise LinkUnknown


router.include_router(_cases)
