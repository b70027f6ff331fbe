"""What stands around every page of a disclosure case: the office that handles it, and the one way to ask it (D65, D69).

It knows no case, so that a page which finds none can leave this way too.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse

from api.pages.reader import Reader
from api.pages.showing import Frame, show
from worker.settings import settings


def show_case(
    request: Request,
    template: str,
    reader: Reader,
    *,
    status: int = 200,
    here: str | None = None,
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> HTMLResponse:
    """Return a page of a case; the arguments are those of `show`."""
    configured = settings()
    return show(
        request,
        template,
        Frame(),
        reader=reader,
        status=status,
        here=here,
        headers=headers,
        office=configured.office_name,
        contact_url=configured.case_contact_url,
        **values,
    )
