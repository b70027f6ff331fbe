"""The concierge by way of the API, beside its bookings: each operation on shops, calls, terms and stops, once."""

from typing import Any

from httpx2 import Response

from models.shop_profile import EXAMPLE
from tests.api.calling import Caller
from tests.worker.desk import OTHER_SLOT
from worker.chance import new_id
from worker.clock import unix_ms

_SHOP, _STAFF = "queens-court", "hana"
_WHY = {"reason": "for a test"}


def feed_a_shop(caller: Caller) -> None:
    """Make a shop, change it, and look at what it was."""
    caller.http.put("/v1/shops/ginza", json=dict(EXAMPLE))
    shown = caller.http.get("/v1/shops/ginza").json()
    changed = shown["profile"] | {"short_name": "GINZA"}
    caller.http.post("/v1/shops/ginza/preview", json=changed)
    caller.http.put("/v1/shops/ginza", json=changed, headers={"If-Match": f'"{shown["version"]}"'})
    for path in ("versions", "versions/1", "conflicts", "menus"):
        caller.http.get(f"/v1/shops/ginza/{path}")


def call_at_once(caller: Caller) -> None:
    """Be called twice: once nobody waits for the answer, once there is a talk."""
    profile = caller.http.get(f"/v1/shops/{_SHOP}").json()["profile"]
    staff = [{"id": name, "name": {"ja": name, "en": name}, "hours": None} for name in (_STAFF, "sora", "nagi")]
    version = caller.http.get(f"/v1/shops/{_SHOP}").json()["version"]
    profile |= {"staff": staff, "short_name": "QC"}
    fed = caller.http.put(f"/v1/shops/{_SHOP}", json=profile, headers={"If-Match": f'"{version}"'})
    assert fed.status_code == 200, fed.text
    for each in staff:
        caller.http.put(f"/v1/shops/{_SHOP}/staff/{each['id']}/presence", json={"state": "idle"})
    given_up = _call(caller)
    caller.http.get(f"/v1/calls/{given_up}")
    _ask(caller, f"/v1/calls/{given_up}/hang-up")
    taken = _call(caller)
    _ask(caller, f"/v1/calls/{taken}/accept", {"staff": _STAFF})
    _ask(caller, f"/v1/calls/{taken}/end", {"by": "staff"})


def move_a_booking(caller: Caller, phone: str) -> None:
    """Let the shop move a booking, and see what its customer agreed to."""
    booking_id = caller.booked(contact={"phone": phone}, starts_at="2030-06-14T03:00:00Z")
    wish = {"starts_at": "2030-06-17T03:00:00Z", "expected_revision": 1, "reason": "staff_ill"}
    _ask(caller, f"/v1/bookings/{booking_id}/move", wish)
    caller.http.get(f"/v1/bookings/{booking_id}/consents")


def publish_terms(caller: Caller) -> None:
    """Publish a version of the terms, twice the same."""
    given = {
        "id": "platform-terms",
        "version": "2030-07-01",
        "url": "https://www.example.jp/terms/platform-terms/2030-07-01",
        "text": "第1条",
        "effective_at": (OTHER_SLOT.replace(day=30)).isoformat(),
        "party": "platform",
    }
    for _ in ("new", "the same again"):
        _ask(caller, "/v1/terms", given)
    caller.http.get("/v1/terms")


def stop_the_service(caller: Caller) -> None:
    """Stop one shop at once and lift that; plan another stop and undo it."""
    notice = {"notice_url": "https://www.example.jp/news/outage", **_WHY}
    now = {"reach": "shop", "shop": "vicky", "without_notice_because": "an outage", **notice}
    later = {
        "reach": "shop",
        "shop": "vicky",
        "treatment": "keep",
        "starts_at": "2030-07-04T02:00:00Z",
        "ends_at": "2030-07-04T06:00:00Z",
        "notice_url": "https://www.example.jp/news/maintenance",
        **_WHY,
    }
    _ask(caller, "/v1/suspensions/preview", later)
    for body, end in ((now, "lift"), (later, "undo")):
        path = f"/v1/suspensions/{_ask(caller, '/v1/suspensions', body).json()['id']}"
        caller.http.get(path)
        caller.http.get(f"{path}/bookings")
        _ask(caller, f"{path}/{end}", _WHY)
    caller.http.get("/v1/suspensions")


def _call(caller: Caller) -> str:
    terms = caller.http.get(f"/v1/shops/{_SHOP}/availability").json()["terms"]
    accepted = [{"id": each["id"], "version": each["version"]} for each in terms]
    wish = {"shop": _SHOP, "accepted_terms": accepted, "customer_ip": "192.0.2.10"}
    found: str = _ask(caller, "/v1/calls", wish).json()["id"]
    return found


def _ask(caller: Caller, path: str, body: dict[str, Any] | None = None) -> Response:
    answer = caller.http.post(path, json=body, headers={"Idempotency-Key": str(new_id(unix_ms()))})
    assert answer.status_code < 300, answer.text
    return answer
