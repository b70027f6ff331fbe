"""The inbox page: what was delivered, shown as a phone beside a mailbox, with codes to read and links to follow.

It shows the ledger and changes nothing. Texts come from outside, so each is escaped, and a mail's HTML runs in a frame
that may neither script nor reach this page.
"""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from sandbox import chance, faults
from sandbox.answers import Desk
from sandbox.time import instant

SHOWN = 50
# Printable ASCII only: in Japanese text a URL is often followed by 。 or 」 without a space.
_URL_OR_CODE = re.compile(r"(?P<url>https?://[^\s<>\"'`\x7f-\U0010ffff]+)|(?<![\w-])(?P<code>\d{6})(?![\w-])")
_AFTER_A_URL = ".,;:!?)]}"


def linked(text: str) -> Markup:
    """Return a text as HTML: escaped, http(s) addresses as links, six-digit codes set off."""
    pieces: list[Markup] = []
    end = 0
    for found in _URL_OR_CODE.finditer(text):
        pieces.append(escape(text[end : found.start()]))
        if found["code"]:
            pieces.append(Markup('<strong class="code">{}</strong>').format(found["code"]))
            end = found.end()
        else:
            url = found["url"].rstrip(_AFTER_A_URL)
            link = '<a href="{0}" target="_blank" rel="noopener noreferrer">{0}</a>'
            pieces.append(Markup(link).format(url))  # noqa: S704 - the template is a constant, `format` escapes
            end = found.start() + len(url)
    pieces.append(escape(text[end:]))
    return Markup("").join(pieces)


def framed(html: str) -> str:
    """Return a mail's HTML for a frame: its links open outside the frame, its bare text looks like the page's."""
    return f'<base target="_blank"><style>body {{ margin: 1rem; font: 1rem/1.5 system-ui, sans-serif }}</style>{html}'


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("pages")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"linked": linked, "framed": framed, "instant": instant}
    return environment


def routes(desk: Desk) -> APIRouter:
    """Return the page's routes."""
    router = APIRouter()
    page = _environment().get_template("inbox.html")

    @router.get("/")
    async def inbox(to: Annotated[str, Query(max_length=320)] = "") -> Response:
        nonce = chance.nonce()
        where = {"recipient": to.strip().lower() or None}
        texts = desk.ledger.newest(delivered=True, limit=SHOWN, where={**where, "channel": "sms"})
        mails = desk.ledger.newest(delivered=True, limit=SHOWN, where={**where, "channel": "mail"})
        html = page.render(
            to=to.strip(),
            recipients=desk.ledger.recipients(),
            texts=texts,
            mails=mails,
            totals=desk.ledger.totals(),
            newest=desk.ledger.newest_id(),
            kinds=[kind for kind in faults.KINDS if kind.phone or kind.mail],
            address=desk.door.address,
            nonce=nonce,
        )
        return HTMLResponse(html, headers=_guards(nonce))

    @router.get("/_newest")
    async def newest() -> dict[str, int]:
        return {"newest": desk.ledger.newest_id()}

    @router.get("/_sent/{letter_id}/attachments/{place}")
    async def attachment(letter_id: int, place: int) -> Response:
        entry = desk.ledger.letter(letter_id)
        attachments = entry["details"].get("attachments", []) if entry else []
        if not 0 <= place < len(attachments):
            raise HTTPException(404, "There is no such attachment.")
        return _download(attachments[place])

    return router


def _guards(nonce: str) -> Mapping[str, str]:
    return {
        "Content-Security-Policy": (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; img-src data:;"
            " connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


def _download(attachment: Mapping[str, Any]) -> Response:
    kind = str(attachment.get("type") or "application/octet-stream")
    return Response(
        base64.b64decode(attachment["content"]),
        media_type=kind if re.fullmatch(r"[\w.+-]+/[\w.+-]+(; *[\w-]+=[\w.-]+)*", kind) else "application/octet-stream",
        headers={
            # Never shown in place: an attachment may be HTML.
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(str(attachment.get('filename')), safe='')}",
            "X-Content-Type-Options": "nosniff",
        },
    )
