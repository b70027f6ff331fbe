"""A case and what waits, in lines for a terminal. Times are Japan's; nothing is left out that a person decides by."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from models.period import JAPAN

_SHORT = 12
Shown = Mapping[str, Any]


def of_work(listed: Shown) -> Iterator[str]:
    """Yield what waits, a line each."""
    for each in listed["work"]:
        marks = " ".join(
            mark for mark in ("OVERDUE" * bool(each["overdue_at"]), "held" * bool(each["held_at"])) if mark
        )
        since, work = at(each["since"]), f"{each['work']:<16} {each['role']:<10}"
        yield f"{since}  {work} {each['reference']}  {each['state']:<20} {each['case']}  {marks}".rstrip()
    if not listed["work"]:
        yield "nothing waits"
    if listed["next_after"]:
        yield f"more: --after {listed['next_after']}"


def of_now(case: Shown) -> Iterator[str]:
    """Yield where a case stands."""
    yield f"{case['reference']}  {case['state']} since {at(case['since'])}  version {case['version']}  {case['id']}"
    if case["deadline_at"]:
        yield f"  until      {at(case['deadline_at'])}, exclusively"
    if case["held_at"]:
        yield f"  ON HOLD    since {at(case['held_at'])}"
    if case["proposal"]:
        yield f"  proposal   by {case['proposal']['proposed_by']}, digest {case['proposal']['digest'][:_SHORT]}"


def of_case(case: Shown) -> Iterator[str]:
    """Yield a case whole."""
    yield from of_now(case)
    who = case["organisation"] or case["applicant"] or "nobody known"
    yield f"  parties    {who} about {case['counterparty'] or 'nobody known'}, transaction {case['transaction'] or '-'}"
    if case["needs_legal"]:
        yield "  LEGAL      a second person of the legal department approves"
    for other in case["related"]:
        yield f"  related    {other['reference']}  {other['state']}  {other['because']}  {other['id']}"
    for item in case["work"]:
        yield f"  waits for  {item['work']} ({item['role']}) since {at(item['since'])}  {item['id'][:_SHORT]}"
    if case["sealed"]:
        yield f"  sealed     {', '.join(case['sealed'])}"
    if case["opinion_due_at"]:
        yield f"  opinion    {'is there' if case['opinion_at'] else 'until ' + at(case['opinion_due_at'])}"
    if case["fee_yen"]:
        yield f"  fee        {case['fee_yen']} yen, paid {case['paid_yen']}"
    yield from _block("checks", map(_check, case["checks"]))
    yield from _block("decisions", (line for each in case["decisions"] for line in _decision(each)))
    yield from _block("papers wanted", map(_item, case["items"]))
    yield from _block("papers", map(_paper, case["papers"]))
    yield from _block(
        "payments", (f"{p['number']}  {p['amount_yen']} yen  {at(p['paid_at'])}" for p in case["payments"])
    )
    yield from _block("letters", map(_letter, case["letters"]))
    yield from _block("notices", map(_notice, case["notices"]))
    yield from _block("timeline", map(_event, case["timeline"]))


def of_revealed(opened: Shown) -> Iterator[str]:
    """Yield what was opened."""
    for part, content in opened.items():
        yield from _block(part, _nested(content), empty="there is none, or it was shredded")


def of_preview(preview: Shown) -> Iterator[str]:
    """Yield what a letter would be."""
    yield f"letter {preview['serial']} of digest {preview['digest'][:_SHORT]}, to: {preview['addressee']}"
    yield "approved" if preview["is_approved"] else "proposed, not approved"
    if not preview["unchanged"]:
        yield "CHANGED SINCE: addressee or data are registered otherwise now"
    yield "fields  " + ", ".join(f"{each['name']} ({each['label']})" for each in preview["fields"])
    for each in preview["as_of"]:
        yield f"as of   {each['when']} ({each['label']}), registered {at(each['taken_at'])}"
    if preview["printed_at"]:
        yield f"printed {at(preview['printed_at'])}"


def of_audit(audit: Shown) -> Iterator[str]:
    """Yield a trail and what was disclosed."""
    yield "the chain is unbroken" if audit["unbroken"] else "THE CHAIN IS BROKEN: run `python -m worker audit verify`"
    yield from _block("events", (f"{_event(each)}  {each['hash'][:_SHORT]}" for each in audit["events"]))
    records = (
        f"{at(each['at'])}  {', '.join(each['fields'])} of {each['whose']} to {each['recipient']}  {each['basis']}"
        for each in audit["disclosures"]
    )
    yield from _block("disclosed", records)


def of_retention(report: Shown) -> Iterator[str]:
    """Yield how many cases stand where in their retention."""
    yield f"cases      {report['open']} open, {report['ended']} ended and kept, {report['held']} on hold"
    yield f"papers     {report['papers_to_destroy']} of ended cases still to be shredded"
    yield from _block("gone", (f"{count:>6}  {because}" for because, count in sorted(report["purged"].items())))


def of_switch(switch: Shown) -> Iterator[str]:
    """Yield whether releases go out."""
    turned = f" since {at(switch['turned_at'])} by {switch['turned_by']}" if switch["turned_at"] else ""
    yield f"releases {'ARE STOPPED' if switch['stopped'] else 'go out'}{turned}; {switch['waiting']} cases wait"


def at(text: str | None) -> str:
    """Return an instant as Japan's clocks show it."""
    return "-" if text is None else f"{datetime.fromisoformat(text).astimezone(ZoneInfo(JAPAN)):%Y-%m-%d %H:%M}"


def _block(name: str, lines: Iterable[str], *, empty: str | None = None) -> Iterator[str]:
    found = list(lines)
    if found or empty:
        yield f"{name}"
    for line in found or ([empty] if empty else []):
        yield f"  {line}"


def _check(check: Shown) -> str:
    evidence = " ".join(f"{name}={value}" for name, value in check["evidence"].items())
    return f"{check['clause']:<4} {'holds' if check['holds'] else 'DOES NOT HOLD'}  {evidence}".rstrip()


def _decision(decision: Shown) -> Iterator[str]:
    ground = f" ({decision['refusal']})" if decision["refusal"] else ""
    yield (
        f"{decision['standing']:<9} {decision['verdict']}{ground} {decision['stage']} by {decision['proposed_by']} "
        f"{at(decision['proposed_at'])}  {decision['id']}"
    )
    yield f"          digest {decision['digest']}"
    if decision["content"]:
        yield "          " + " ".join(f"{name}={value}" for name, value in decision["content"].items())
    for done in ("approved", "sent_back"):
        if decision[f"{done}_by"]:
            yield f"          {done} by {decision[f'{done}_by']} {at(decision[f'{done}_at'])}"


def _item(item: Shown) -> str:
    return f"{item['position']}  {item['kind']:<25} {item['standing']:<9} {', '.join(item['flaws'])}".rstrip()


def _paper(paper: Shown) -> str:
    copy = "original" if paper["is_original"] else "copy"
    gone = f"  shredded by {paper['destroyed_by']}, {paper['destroyed_with'] or 'WITNESS WANTED'}"
    where = gone if paper["destroyed_by"] else f"  on {paper['shelf']}"
    return f"{paper['number']}  {paper['kind']} ({copy}) {at(paper['arrived_at'])}{where}  {paper['id'][:_SHORT]}"


def _letter(letter: Shown) -> str:
    steps = (("printed", letter["printed_at"]), ("spoiled", letter["spoiled_at"]), ("posted", letter["dispatched_at"]))
    done = ", ".join(f"{name} {at(when)}" for name, when in steps if when)
    pen = f"  BY HAND: {', '.join(letter['by_hand'])}" if letter["by_hand"] else ""
    return f"{letter['serial']}  {done or 'not printed'}  {letter['tracking_number'] or ''}{pen}".rstrip()


def _notice(notice: Shown) -> str:
    arrived = "FAILED" if notice["undeliverable_at"] else f"deemed arrived {at(notice['deemed_arrived_at'])}"
    return f"{notice['kind']:<30} {notice['party']:<12} {notice['state']:<11} {arrived}  {notice['id']}"


def _event(event: Shown) -> str:
    facts = " ".join(f"{name}={_brief(value)}" for name, value in event["facts"].items() if name != "version")
    reason = " (reason)" if event["has_reason"] else ""
    return f"{event['number']:>3}  {at(event['at'])}  {event['kind']:<20} {event['actor']:<16} {facts}{reason}"


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 3 * _SHORT else f"{text[:_SHORT]}…"


def _nested(content: Any, depth: int = 0) -> Iterator[str]:
    pad = "  " * depth
    match content:
        case None:
            pass
        case dict():
            for name, value in content.items():
                if isinstance(value, dict | list):
                    yield f"{pad}{name}"
                    yield from _nested(value, depth + 1)
                else:
                    yield f"{pad}{name}: {value}"
        case list():
            for each in content:
                yield from _nested(each, depth)
        case _:
            yield f"{pad}{content}"
