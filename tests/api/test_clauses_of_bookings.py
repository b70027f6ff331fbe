"""What the concierge's clauses ask of a booking as a whole; docs/clauses.md names these beside the rooms' own tests."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from fastapi import FastAPI
from sqlalchemy import select

from models.booking import BookingEvent, Side
from models.message import Kind
from models.terms import Party, TermsDocument
from tests.api.calling import OTHER_SLOT, PHONE, Caller, wish
from tests.conftest import StoppedTime
from tests.one_app import one_app
from tests.worker.desk import NOBODY_LISTENS, SLOT
from worker import bookings, seals
from worker.database import Database
from worker.links import LinkRole, token
from worker.settings import Settings
from worker.video import RoomFact, jitsi
from worker.video.rooms import room_name

ROOT = Path(__file__).parents[2]
SOURCE_URL = "https://queens-court.example.jp/items/AB-1"
MAILBOX = "hanako@example.jp"


@pytest.fixture
def database_url(sqlite_template: Path, tmp_path: Path) -> str:
    """SQLite alone: what is asked for here, no database decides."""
    file = tmp_path / "toritsugi.db"
    file.write_bytes(sqlite_template.read_bytes())
    return f"sqlite:///{file}"


@pytest.fixture(autouse=True)
def vendors_away(environment: pytest.MonkeyPatch) -> None:
    """Nobody carries a message; that it is owed is seen in the rows."""
    environment.setenv("TWILIO_API_URL", NOBODY_LISTENS)
    environment.setenv("SENDGRID_API_URL", NOBODY_LISTENS)


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


class Elsewhere:
    """Another provider of video calls, as the port asks for."""

    name: Final = "elsewhere"
    display_name: Final = "Elsewhere Video"
    terms_document_id: Final = "provider-terms-elsewhere"
    origins: Final = ("https://rooms.example.com",)

    keeps_rooms: Final = False

    def __init__(self, chosen: Settings) -> None:
        """Whatever the settings say."""

    def open_room(self, name: str, *, closes_at: datetime, now: datetime) -> None:
        """Have every room at all times."""

    def entry_url(self, name: str, side: Side, *, closes_at: datetime, now: datetime) -> str:  # noqa: ARG002 - the port's own parameters
        """Return one room a call."""
        return f"https://rooms.example.com/{name}"

    def close_room(self, name: str) -> None:
        """Keep it."""

    def who_is_in(self, name: str, *, now: datetime) -> list[RoomFact] | None:  # noqa: ARG002 - it tells nothing
        """Know nothing."""
        return None

    def read_facts(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> list[RoomFact] | None:  # noqa: ARG002 - it tells nothing
        """Believe nothing."""
        return None


@pytest.fixture
def elsewhere(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are carried by the other provider, under terms of its own."""
    monkeypatch.setattr(jitsi, "Jitsi", Elsewhere)
    add(caller, "provider-terms-elsewhere", "7", party=Party.PROVIDER, provider="elsewhere")


def add(caller: Caller, document: str, version: str, *, at: str = "2021-09-28T00:00+09:00", **whose: Any) -> str:
    """Publish one version of a document; return where it is read."""
    url = f"https://www.example.jp/terms/{document}/{version}"
    effective_at = datetime.fromisoformat(at).astimezone(UTC)
    with caller.database.transaction() as session:
        session.add(
            TermsDocument(id=document, version=version, url=url, sha256="0" * 64, effective_at=effective_at, **whose)
        )
    return url


def page_of(caller: Caller, booking_id: UUID) -> str:
    return caller.http.get(f"/b/{token(LinkRole.BOOKING_PAGE, booking_id)}").text


def call_page_of(caller: Caller, booking_id: UUID, role: LinkRole) -> str:
    return caller.http.get(f"/c/{token(role, booking_id, 1)}").text


@dataclass(frozen=True)
class Line:
    """One line of a trail, apart from the session that read it."""

    id: int
    at: datetime
    kind: str
    actor: str
    status: str
    revision: int
    facts: str

    @classmethod
    def of(cls, event: BookingEvent) -> "Line":
        """Copy an event."""
        return cls(event.id, event.at, event.kind, event.actor, event.status, event.revision, repr(event.facts))


def trail(caller: Caller, booking_id: UUID) -> list[Line]:
    query = select(BookingEvent).where(BookingEvent.booking_id == booking_id).order_by(BookingEvent.id)
    with caller.database.snapshot() as session:
        return [Line.of(event) for event in session.scalars(query)]


# What a customer may say, and need not


def test_a_contact_and_a_code_are_all_that_a_booking_needs(caller: Caller) -> None:
    """B3, B5, B28: no purpose, no item, no payment."""
    assert set(wish()) == {"shop", "starts_at", "contact", "customer_ip"}

    booking_id = caller.booked()

    assert caller.get(booking_id).json()["status"] == "confirmed"


@pytest.mark.parametrize("entry_point", ["shop_page", "product_page"])
def test_the_page_a_customer_came_from_is_kept_with_its_address(caller: Caller, entry_point: str) -> None:
    """B6."""
    booking_id = caller.booked(entry_point=entry_point, source_url=SOURCE_URL)

    booking = caller.booking(booking_id)

    assert booking.entry_point == entry_point
    assert booking.sealed_source_url is not None


def test_staff_see_the_page_a_customer_came_from(caller: Caller) -> None:
    """B6."""
    booking_id = caller.booked(source_url=SOURCE_URL)

    assert SOURCE_URL in call_page_of(caller, booking_id, LinkRole.STAFF_CALL)
    assert SOURCE_URL not in call_page_of(caller, booking_id, LinkRole.CUSTOMER_CALL)


def test_an_item_that_nobody_knows_refuses_no_booking_and_is_shown_to_staff(caller: Caller) -> None:
    """B21."""
    booking_id = caller.booked(item_codes=["NO-SUCH-ITEM"])

    assert "NO-SUCH-ITEM" in call_page_of(caller, booking_id, LinkRole.STAFF_CALL)


@pytest.mark.parametrize("contact", [{}, {"phone": PHONE, "email": MAILBOX}], ids=["none", "both"])
def test_a_customer_gives_one_contact_no_fewer_and_no_more(caller: Caller, contact: dict[str, str]) -> None:
    """B13."""
    answer = caller.ask(contact=contact)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/contact")
    assert caller.bookings() == []


@pytest.mark.parametrize(("contact", "channel"), [({"phone": PHONE}, "sms"), ({"email": MAILBOX}, "mail")])
def test_the_code_is_owed_over_the_channel_that_was_chosen(
    caller: Caller, do_due_jobs: Callable[[], int], contact: dict[str, str], channel: str
) -> None:
    """B14."""
    caller.held(contact=contact)

    do_due_jobs()

    assert [(message.kind, message.channel) for message in caller.messages()] == [(Kind.BOOKING_CODE, channel)]


def test_who_names_no_language_is_written_to_in_the_shops(caller: Caller) -> None:
    """B23."""
    caller.set_shop("queens-court", language="en")

    assert caller.booking(caller.held()).language == "en"


# The call and who operates it


@pytest.mark.usefixtures("elsewhere")
def test_another_provider_carries_the_call_once_it_is_the_one(caller: Caller) -> None:
    """B2, B25."""
    booking_id = caller.booked()
    caller.time.move_to(SLOT)

    press = caller.http.post(f"/c/{token(LinkRole.CUSTOMER_CALL, booking_id, 1)}/enter", follow_redirects=False)

    assert press.headers["location"] == f"https://rooms.example.com/{room_name(booking_id, 1)}"


@pytest.mark.usefixtures("elsewhere")
def test_another_providers_terms_are_those_that_are_agreed_to(caller: Caller) -> None:
    """B25, B27."""
    booking_id = caller.booked()

    assert [(each.document_id, each.version) for each in caller.consents(booking_id)] == [
        ("platform-terms", "2021-09-28"),
        ("provider-terms-elsewhere", "7"),
    ]


@pytest.mark.usefixtures("elsewhere")
def test_another_provider_is_named_with_its_terms(caller: Caller) -> None:
    """B25, B29."""
    page = page_of(caller, caller.booked())

    assert "Elsewhere Videoが運営・提供します" in page
    assert "https://www.example.jp/terms/provider-terms-elsewhere/7" in page
    assert "Jitsi" not in page


def test_the_booking_page_links_the_device_check(caller: Caller) -> None:
    """B26."""
    assert 'href="/device-check?shop=queens-court"' in page_of(caller, caller.booked())


def test_the_device_check_names_browsers_for_phones_and_for_desks(caller: Caller) -> None:
    """B26."""
    page = caller.http.get("/device-check?lang=en").text

    assert [name for name in ("Android", "iPhone", "Chrome", "Safari") if name not in page] == []


# Money


ASKS_FOR_MONEY = re.compile(
    r"(?<!nothing for you to )\bpay(?:ment|able)?\b|(?<!no cancellation )\bfees?\b"
    r"|\bdeposit|credit card|\binvoice|\bcheckout\b|決済|支払|前払|クレジット|手数料|請求",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def described() -> FastAPI:
    return one_app()


OF_CASES = re.compile(r"/v1/(disclosure-cases|case-work|members|transactions|organisations)\b")
"""Disclosure cases have a fee (D41). They are another service, of other words and other operations."""
WORDS_OF_CASES = ("models__disclosure__State", "Work", "Operation")
"""What a problem may name of a case; every operation shows what problems look like."""


def concierges_words() -> Iterator[tuple[str, str]]:
    """Return what the concierge says to customers, by where it stands."""
    for path in sorted(ROOT.glob("worker/wording/**/*.txt")):
        where = path.relative_to(ROOT / "worker" / "wording").as_posix()
        if not where.startswith(("case_", "guideline/", "footer.case.")):
            yield where, path.read_text(encoding="utf-8")
    for path in sorted(ROOT.glob("api/pages/words/*.toml")):
        for section, words in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if not section.startswith("case"):
                yield f"{path.name}:{section}", repr(words)


def shapes_in(part: Any, schemas: Mapping[str, Any], seen: set[str]) -> str:
    """Return the text of a part of the API's description, and of every shape that it names."""
    text = repr(part)
    for name in re.findall(r"#/components/schemas/(\w+)", text):
        if name not in seen:
            seen.add(name)
            text += shapes_in(schemas.get(name, {}), schemas, seen)
    # An operator's list of messages names the kinds of the other service, too.
    return re.sub(r"'(?:case_\w+|fee)'", "", text)


@pytest.mark.parametrize(("where", "words"), list(concierges_words()), ids=[where for where, _ in concierges_words()])
def test_no_words_ask_a_customer_for_money(where: str, words: str) -> None:
    """B28."""
    assert where
    assert ASKS_FOR_MONEY.findall(words) == []


def test_the_api_knows_no_payment(described: FastAPI) -> None:
    """B28."""
    description = described.openapi()
    schemas = description["components"]["schemas"]
    asking = {
        path: found
        for path, item in description["paths"].items()
        if not OF_CASES.match(path)
        and (found := ASKS_FOR_MONEY.findall(shapes_in(item, schemas, set(WORDS_OF_CASES)).replace("_", " ")))
    }

    assert asking == {}


@pytest.mark.parametrize("asked", ["A deposit of 1,000 yen", "no_show_fee", "payment_url", "キャンセル時は手数料"])
def test_words_that_ask_for_money_are_found(asked: str) -> None:
    assert ASKS_FOR_MONEY.search(asked.replace("_", " "))


def test_the_shop_page_says_that_the_service_is_free(caller: Caller) -> None:
    """B28."""
    lead = tomllib.loads((ROOT / "api/pages/words/ja.toml").read_text(encoding="utf-8"))["shop"]["lead"]

    assert "無料" in lead
    assert lead.split("{shop}")[-1] in caller.http.get("/s/queens-court").text


# Whom to ask


def test_a_page_about_a_fault_of_ours_names_the_contact_form(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """B30."""

    def mistaken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(bookings, "shop_open", mistaken)

    page = caller.http.get("/s/queens-court")

    assert page.status_code == 500
    assert "https://www.example.jp/contact/queens-court" in page.text


# The trail


def test_a_trail_only_grows(caller: Caller) -> None:
    """B43."""
    booking_id = caller.held()
    trails = [trail(caller, booking_id)]
    for operation, body in (
        ("code", {"code": caller.code(booking_id)}),
        ("change", {"starts_at": OTHER_SLOT, "expected_revision": 1}),
        ("cancel", {"expected_revision": 2}),
    ):
        caller.time.advance(minutes=1)
        assert caller.post(booking_id, operation, **body).status_code == 200
        trails.append(trail(caller, booking_id))

    assert [line.kind for line in trails[-1]] == ["held", "confirmed", "changed", "cancelled"]
    assert all(after[: len(before)] == before for before, after in pairwise(trails))


def test_the_trail_says_who_withdrew_a_booking_and_why(caller: Caller) -> None:
    """B43, B44."""
    booking_id = caller.booked()

    caller.post(booking_id, "withdraw", reason="staff_ill")

    last = trail(caller, booking_id)[-1]
    assert last.kind == "cancelled"
    assert last.actor.startswith("key:")
    assert "staff_ill" in last.facts


def test_a_trail_holds_nothing_personal_so_that_it_may_be_kept(caller: Caller) -> None:
    """B43."""
    booking_id = caller.booked(name="山田花子", memo="canary memo", source_url=SOURCE_URL)
    caller.post(booking_id, "change", starts_at=OTHER_SLOT, expected_revision=1)

    told = repr([astuple(line) for line in trail(caller, booking_id)])

    assert not any(canary in told for canary in ("山田", "canary", "9000000012", "0000-0012", "192.0.2.10", SOURCE_URL))


def test_a_trail_outlives_the_contact(caller: Caller) -> None:
    """B43."""
    booking_id = caller.booked()
    before = trail(caller, booking_id)
    assert before

    with caller.database.transaction() as session:
        assert seals.shred(session, caller.booking(booking_id).customer_id)

    assert trail(caller, booking_id) == before


# Terms that change


def test_a_booking_made_under_one_version_is_shown_the_later_from_when_it_governs(caller: Caller) -> None:
    """B45."""
    later = add(caller, "platform-terms", "2030-06-04", at="2030-06-04T00:00+09:00", party=Party.PLATFORM)
    booking_id = caller.booked()
    before = page_of(caller, booking_id)
    caller.time.move_to(datetime(2030, 6, 3, 15, tzinfo=UTC))

    after = page_of(caller, booking_id)

    # Until then it is announced, above; the terms at the foot of every page are those that govern.
    assert later not in before.partition("<footer")[2]
    assert later in after.partition("<footer")[2]


def test_what_was_agreed_to_stays_on_record_when_a_later_version_governs(caller: Caller) -> None:
    """B35, B45."""
    add(caller, "platform-terms", "2030-06-04", at="2030-06-04T00:00+09:00", party=Party.PLATFORM)
    early = caller.booked()
    caller.time.move_to(datetime(2030, 6, 3, 15, tzinfo=UTC))
    late = caller.booked(starts_at=OTHER_SLOT)

    agreed = [caller.consents(booking_id)[0].version for booking_id in (early, late)]

    assert agreed == ["2021-09-28", "2030-06-04"]
