"""How one request to a vendor is answered, faults included, and in which order it is answered, kept and called back.

Both vendors' routes end here. What an answer looks like is theirs (`Voice`); what is cut, slow or broken is the same
for both.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from sandbox import faults
from sandbox.carrier import Carrier
from sandbox.door import BrokenOff, Door, Unanswered
from sandbox.ledger import Ledger, Letter
from sandbox.receipts import PostOffice
from sandbox.settings import Settings
from sandbox.time import Clock

ELSEWHERE = "/_elsewhere"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What every counter of the sandbox works with."""

    settings: Settings
    clock: Clock
    ledger: Ledger
    carrier: Carrier
    office: PostOffice
    door: Door


class Voice(Protocol):
    """How a vendor says yes, no and later."""

    def accepted(self, letters: Sequence[Letter]) -> Response:
        """Answer that these letters were taken."""
        ...

    def refused(self, kind: str) -> Response:
        """Answer with the error that a fault of kind `refuse_…` names."""
        ...

    def failed(self) -> Response:
        """Answer that the server has failed."""
        ...

    def busy(self, *, retry_seconds: float | None) -> Response:
        """Answer 429, with or without a hint when to come again."""
        ...


async def serve(
    desk: Desk,
    request: Request,
    *,
    answer: faults.Act,
    voice: Voice,
    letters_at: Callable[[float], Sequence[Letter]],
) -> Response:
    """Keep what is accepted, and answer as the fault wants it.

    Args:
        desk: the ledger and the rest.
        request: the request to answer; faults may end its connection.
        answer: how to answer.
        voice: the vendor's words.
        letters_at: makes the letters that the request holds, accepted at an instant.
    """
    if answer.kind == "slow_then_accept":
        await asyncio.sleep(answer.wait_seconds())
    letters = letters_at(desk.clock.now())
    if answer.accepts():
        await _keep(desk, letters)
    if answer.kind == "accept_then_slow":
        await asyncio.sleep(answer.wait_seconds())
    return _said(desk, request, answer=answer, voice=voice, letters=letters)


async def _keep(desk: Desk, letters: Sequence[Letter]) -> None:
    kept = desk.ledger.accept([(letter, desk.carrier.take(letter)) for letter in letters])
    early = [
        letter_id
        for letter_id, letter in zip(kept, letters, strict=True)
        if "receipts_before_answer" in faults.receipts_of(letter.play)
    ]
    if early:
        await asyncio.to_thread(desk.office.post_now, early)
    desk.office.wake()


# What a gateway, a proxy or a stranger answers in the vendor's stead.
_FOREIGN: Mapping[str, Callable[[], Response]] = {
    "refuse_503": lambda: HTMLResponse("<html><body><h1>503 Service Unavailable</h1></body></html>", 503),
    "redirect_302": lambda: RedirectResponse(ELSEWHERE, status_code=302),
    "junk_200": lambda: HTMLResponse("<html><body><h1>It works!</h1></body></html>"),
    "empty_201": lambda: Response(status_code=201),
}


def _said(desk: Desk, request: Request, *, answer: faults.Act, voice: Voice, letters: Sequence[Letter]) -> Response:
    match answer.kind:
        case kind if kind in _FOREIGN:
            response = _FOREIGN[kind]()
        case "accept_then_cut" | "refuse_then_cut":
            desk.door.cut(request)
            response = Unanswered()
        case "truncated_body":
            response = BrokenOff(voice.accepted(letters), door=desk.door, request=request)
        case "accept_then_500" | "refuse_500":
            response = voice.failed()
        case "rate_limit_429" | "rate_limit_429_bare" as kind:
            response = voice.busy(retry_seconds=None if kind.endswith("_bare") else answer.wait_seconds())
        case kind if kind.startswith("refuse_"):
            response = voice.refused(kind)
        case _:
            response = voice.accepted(letters)
    return response
