"""Shops fed by their own systems: previewed, versioned, and moving nothing that stands (B10, B11, B12, B23)."""

import json
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import Response

from models.access import Scope
from models.shop import Shop
from models.shop_profile import EXAMPLE
from models.staff import StaffMember
from tests.api.calling import OTHER_SLOT, SLOT, Caller, at
from tests.conftest import StoppedTime
from tests.worker.desk import at_once, sqlite_only
from worker import shop_feed
from worker.database import Database
from worker.settings import settings

SHOP = "queens-court"


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


def show(caller: Caller, shop: str = SHOP) -> dict[str, Any]:
    answer = caller.http.get(f"/v1/shops/{shop}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def changed(caller: Caller, shop: str = SHOP, **changes: Any) -> dict[str, Any]:
    profile: dict[str, Any] = show(caller, shop)["profile"]
    return profile | changes


def put(
    caller: Caller, profile: Any, *, shop: str = SHOP, version: int | None = 0, headers: Any = None, **query: Any
) -> Response:
    sent = {} if version is None else {"If-Match": f'"{version}"'}
    if query.get("accept_conflicts") is True:
        query["accept_conflicts"] = preview(caller, profile, shop)["conflicts_digest"] or "0"
    return caller.http.put(f"/v1/shops/{shop}", json=profile, headers=sent | (headers or {}), params=query)


def preview(caller: Caller, profile: Any, shop: str = SHOP, **query: Any) -> dict[str, Any]:
    answer = caller.http.post(f"/v1/shops/{shop}/preview", json=profile, params=query)
    assert answer.status_code == 200, answer.text
    seen: dict[str, Any] = answer.json()
    return seen


def fewer_hours(caller: Caller) -> dict[str, Any]:
    """Return the shop's profile, closed on the day of `SLOT`."""
    profile = changed(caller)
    calendar = profile["calendar"]
    profile["calendar"] = calendar | {"exceptions": calendar["exceptions"] | {"2030-06-04": []}}
    return profile


def row(caller: Caller, shop: str = SHOP) -> Shop:
    with caller.database.snapshot() as session:
        return session.get_one(Shop, shop)


def staff(caller: Caller, name: str) -> StaffMember:
    with caller.database.snapshot() as session:
        return session.get_one(StaffMember, (SHOP, name))


# A version, and the next


def test_a_shop_that_nobody_knew_is_made_of_its_profile(caller: Caller) -> None:
    answer = put(caller, {**EXAMPLE}, shop="ginza", version=None)

    assert (answer.status_code, answer.json()["version"], answer.headers["ETag"]) == (201, 1, '"1"')
    assert caller.http.get("/v1/shops/ginza/slots").status_code == 200


def test_what_was_fed_is_what_is_shown(caller: Caller) -> None:
    put(caller, {**EXAMPLE}, shop="ginza", version=None)

    shown = show(caller, "ginza")

    assert shown["version"] == 1
    assert put(caller, shown["profile"], shop="ginza", version=1).json()["changes"] == []


def test_the_whole_profile_reaches_the_row(caller: Caller) -> None:
    own_page = "https://www.example.jp/ginza/book"
    documents = {**EXAMPLE["documents"], "booking_page": own_page}

    put(caller, {**EXAMPLE, "documents": documents, "settings": {"ring_seconds": 45}}, shop="ginza", version=None)

    shop = row(caller, "ginza")
    assert (shop.name_ja, shop.name_en, shop.short_name) == ("FRED 銀座本店", "FRED Ginza", "FRED")
    assert (shop.slots_by, shop.ring_seconds, shop.max_changes) == ("staff", 45, Shop.default_of("max_changes"))
    assert (shop.page_url, shop.booking_page_url) == (documents["page"], own_page)
    assert (shop.privacy_url, shop.contact_url) == (documents["privacy"], documents["contact"])


def test_a_change_is_a_version_of_its_own(caller: Caller) -> None:
    answer = put(caller, changed(caller, short_name="QC"))

    assert (answer.status_code, answer.json()["changes"]) == (200, ["/short_name"])
    assert (row(caller).short_name, row(caller).profile_version) == ("QC", 1)


def test_the_same_again_changes_nothing_whatever_version_it_names(caller: Caller) -> None:
    profile = changed(caller, short_name="QC")
    put(caller, profile)

    again = put(caller, profile)

    assert (again.status_code, again.json()["version"], again.json()["changes"]) == (200, 1, [])


def test_of_two_that_read_one_version_the_second_is_refused(caller: Caller) -> None:
    mine, theirs = changed(caller, short_name="MINE"), changed(caller, short_name="THEIRS")
    put(caller, mine)

    answer = put(caller, theirs)

    assert (answer.status_code, answer.json()["code"], answer.json()["version"]) == (412, "version_stale", 1)
    assert row(caller).short_name == "MINE"


def test_a_shop_that_is_there_is_not_overwritten_by_who_has_not_read_it(caller: Caller) -> None:
    answer = put(caller, changed(caller, short_name="QC"), version=None)

    assert (answer.status_code, answer.json()["code"]) == (428, "version_missing")


def test_a_version_of_no_shop_is_refused(caller: Caller) -> None:
    assert put(caller, {**EXAMPLE}, shop="ginza", version=3).status_code == 412


def test_the_version_that_is_no_number_is_pointed_at(caller: Caller) -> None:
    answer = put(caller, changed(caller), version=None, headers={"If-Match": '"abc"'})

    assert answer.json()["errors"][0]["pointer"] == "/header/If-Match"


def test_every_version_is_kept_with_who_fed_it(caller: Caller) -> None:
    key = caller.key("pos", Scope.SHOPS_WRITE)
    put(caller, changed(caller, short_name="ONE"), headers=key)
    put(caller, changed(caller, short_name="TWO"), version=1)

    listed = caller.http.get(f"/v1/shops/{SHOP}/versions").json()
    first = caller.http.get(f"/v1/shops/{SHOP}/versions/1").json()

    assert [(each["version"], each["by"]) for each in listed["versions"]] == [(2, "development"), (1, "pos")]
    assert first["profile"]["short_name"] == "ONE"


@sqlite_only
def test_a_version_that_never_was_is_not_found(caller: Caller) -> None:
    assert caller.http.get(f"/v1/shops/{SHOP}/versions/7").json()["code"] == "version_not_found"


@sqlite_only
def test_no_version_bears_the_name_of_a_person(caller: Caller) -> None:
    put(caller, {**EXAMPLE}, shop="ginza", version=None)

    kept = caller.http.get("/v1/shops/ginza/versions/1").text

    assert "sora" in kept
    assert not any(personal in kept for personal in ("Sora", "空", EXAMPLE["notice_email"]))


def test_of_two_that_feed_at_once_one_is_refused(caller: Caller) -> None:
    profiles = [changed(caller, short_name=name) for name in ("MINE", "THEIRS")]

    answers = at_once(*(lambda its=profile: put(caller, its) for profile in profiles))

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert row(caller).profile_version == 1


def test_of_two_that_make_one_shop_at_once_one_is_refused(caller: Caller) -> None:
    profiles = [{**EXAMPLE, "short_name": name} for name in ("MINE", "THEIRS")]

    answers = at_once(*(lambda its=profile: put(caller, its, shop="ginza", version=None) for profile in profiles))

    # Whoever comes a moment later finds the shop there, and has not read it.
    first, second = sorted(answer.status_code for answer in answers)
    assert first == 201
    assert second in {412, 428}


# What is wrong with it


@sqlite_only
def test_everything_that_is_wrong_is_said_at_once(caller: Caller) -> None:
    profile = changed(caller, zone="Asia/Edo", notice_email="nobody")
    profile["calendar"] = {"weekly": {"1": [["10:00", "09:00"]]}, "slot_minutes": 30}

    answer = put(caller, profile)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/zone", "/calendar/weekly/1/0", "/notice_email"]


@sqlite_only
@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"colour": "red"}, "/colour"),
        ({"short_name": "クイーンズコート"}, "/short_name"),
        (
            {"documents": {"page": "ftp://example.jp/", "privacy": "https://a.jp", "contact": "https://a.jp"}},
            "/documents/page",
        ),
        ({"settings": {"ring_seconds": 1}}, "/settings/ring_seconds"),
        ({"catalogue_url": "http://169.254.169.254/"}, "/catalogue_url"),
        ({"fair_use": {"open_bookings": 0}}, "/fair_use/open_bookings"),
    ],
)
def test_a_fault_is_pointed_at(caller: Caller, changes: dict[str, Any], pointer: str) -> None:
    answer = put(caller, changed(caller, **changes))

    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


@sqlite_only
@pytest.mark.parametrize(
    ("pointer", "part"),
    [
        ("/calendar", {"weekly": {"1": [], "a\ud800": []}, "slot_minutes": 30}),
        ("/calendar", {"weekly": {}, "slot_minutes": 30, "exceptions": {"a\ud800": []}}),
        ("/calendar", {"weekly": {}, "slot_minutes": 30, "holidays": {"country": "a\ud800", "hours": "closed"}}),
        ("/deadline", {"days_before": 1, "at": "a\x00"}),
        ("/fair_use", {"a\ud800": 1}),
        ("/staff/0/hours", {"a\ud800": []}),
    ],
)
def test_what_no_encoding_can_hold_is_a_fault_wherever_it_stands(
    caller: Caller, pointer: str, part: dict[str, Any]
) -> None:
    hana = {"id": "hana", "name": {"ja": "花", "en": "Hana"}, "hours": part}
    name = pointer.split("/")[1]
    profile = json.dumps(changed(caller) | {name: [hana] if name == "staff" else part})
    sent = {"Content-Type": "application/json"}

    fed = caller.http.put(f"/v1/shops/{SHOP}", content=profile, headers=sent | {"If-Match": '"0"'})
    looked_at = caller.http.post(f"/v1/shops/{SHOP}/preview", content=profile, headers=sent)

    assert (fed.status_code, looked_at.status_code) == (422, 422)
    assert [fault["pointer"] for fault in fed.json()["errors"]] == [pointer]


@sqlite_only
def test_nothing_of_a_faulty_profile_is_kept(caller: Caller) -> None:
    put(caller, changed(caller, short_name="QC", zone="nowhere"))

    assert (row(caller).short_name, row(caller).profile_version) == ("QUEENS COURT", 0)


@sqlite_only
def test_a_name_that_would_make_every_sms_dearer_is_refused(caller: Caller, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PUBLIC_URL", "https://go.example.jp")
    settings.cache_clear()

    answer = put(caller, changed(caller, short_name="Q" * 20))

    assert [fault["pointer"] for fault in answer.json()["errors"]] == ["/short_name"]


# What stands


def test_a_preview_says_what_would_change_and_changes_nothing(caller: Caller) -> None:
    booking_id = caller.booked()

    seen = preview(caller, fewer_hours(caller))

    assert seen["changes"] == ["/calendar/exceptions/2030-06-04"]
    assert [(each["booking"], each["because"]) for each in seen["conflicts"]] == [(str(booking_id), ["outside_hours"])]
    assert row(caller).profile_version == 0


def test_a_change_that_would_strand_bookings_is_refused_with_each_of_them(caller: Caller) -> None:
    booking_id = caller.booked()

    answer = put(caller, fewer_hours(caller))

    assert (answer.status_code, answer.json()["code"]) == (409, "conflicts_stand")
    assert (answer.json()["conflicts_found"], answer.json()["conflicts"][0]["booking"]) == (1, str(booking_id))
    assert row(caller).profile_version == 0


def test_what_stands_stays_as_it_was_promised_once_that_was_seen(caller: Caller) -> None:
    booking_id = caller.booked()
    before, claims, messages = caller.booking(booking_id), len(caller.claims(booking_id)), len(caller.messages())

    answer = put(caller, fewer_hours(caller), accept_conflicts=True)

    after = caller.booking(booking_id)
    assert answer.json()["kept_conflicts"] == 1
    assert (after.status, after.revision, after.starts_at) == (before.status, before.revision, before.starts_at)
    assert (len(caller.claims(booking_id)), len(caller.messages())) == (claims, messages)


def test_what_was_accepted_once_stands_in_no_later_changes_way(caller: Caller) -> None:
    caller.booked()
    put(caller, fewer_hours(caller), accept_conflicts=True)

    answer = put(caller, changed(caller, short_name="QC"), version=1)

    assert (answer.status_code, answer.json()["kept_conflicts"]) == (200, 0)


def test_what_came_after_it_was_looked_at_was_not_accepted(caller: Caller) -> None:
    caller.booked()
    profile = fewer_hours(caller)
    seen = preview(caller, profile)["conflicts_digest"]
    caller.booked(contact={"email": "b@example.jp"})

    answer = put(caller, profile, accept_conflicts=seen)

    assert (answer.status_code, answer.json()["conflicts_found"]) == (409, 2)
    assert put(caller, profile, accept_conflicts=answer.json()["conflicts_digest"]).status_code == 200


def test_a_booking_at_another_time_than_was_shown_was_not_accepted(caller: Caller) -> None:
    booking_id = caller.booked()
    profile = fewer_hours(caller)
    profile["calendar"]["exceptions"] |= {"2030-06-06": []}
    seen = preview(caller, profile)["conflicts_digest"]
    caller.post(booking_id, "change", starts_at=OTHER_SLOT, expected_revision=1)

    answer = put(caller, profile, accept_conflicts=seen)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflicts_stand")
    assert answer.json()["conflicts"][0]["starts_at"] == OTHER_SLOT


def many_seats(caller: Caller) -> list[str]:
    """Let three customers book at once; return their bookings in the order in which they were made."""
    profile = changed(caller)
    profile["calendar"]["seats"] = 3
    put(caller, profile)
    return [str(caller.booked(contact={"email": f"{name}@example.jp"})) for name in "abc"]


def standing_against(caller: Caller, **query: Any) -> dict[str, Any]:
    answer = caller.http.get(f"/v1/shops/{SHOP}/conflicts", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_preview_shows_every_booking_page_by_page(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_feed, "SHOWN_CONFLICTS", 2)
    made, profile = many_seats(caller), fewer_hours(caller)

    first = preview(caller, profile)
    second = preview(caller, profile, after=first["after"])

    assert [each["booking"] for page in (first, second) for each in page["conflicts"]] == made
    assert (first["conflicts_found"], second["conflicts_found"], second["after"]) == (3, 3, None)
    assert first["conflicts_digest"] == second["conflicts_digest"]


def test_what_stands_against_the_profile_in_force_is_listed_page_by_page(caller: Caller) -> None:
    made = many_seats(caller)
    put(caller, fewer_hours(caller), version=1, accept_conflicts=True)

    first = standing_against(caller, limit=2)
    second = standing_against(caller, limit=2, after=first["after"])

    assert [each["booking"] for page in (first, second) for each in page["conflicts"]] == made
    assert {reason for each in first["conflicts"] for reason in each["because"]} == {"outside_hours"}
    assert (first["version"], second["after"]) == (2, None)


def test_what_the_profile_in_force_allows_stands_against_nothing(caller: Caller) -> None:
    caller.booked()

    assert standing_against(caller)["conflicts"] == []


def test_who_was_moved_stands_against_it_no_more(caller: Caller) -> None:
    booking_id = caller.booked()
    put(caller, fewer_hours(caller), accept_conflicts=True)

    moved = caller.post(booking_id, "move", starts_at=OTHER_SLOT, expected_revision=1, reason="staff_ill")

    assert moved.status_code == 200, moved.text
    assert standing_against(caller)["conflicts"] == []


@sqlite_only
def test_a_shops_conflicts_are_for_whoever_feeds_it(caller: Caller) -> None:
    reader = caller.key("reader", Scope.SHOPS_READ)
    other = caller.key("fred-pos", Scope.SHOPS_WRITE, shops=["fred"])

    refused = [caller.http.get(f"/v1/shops/{SHOP}/conflicts", headers=key).status_code for key in (reader, other)]

    assert refused == [403, 404]


def test_reminders_are_neither_lost_nor_doubled_by_a_change_that_is_saved_twice(caller: Caller) -> None:
    """The fault of onehashai/Cal-ID #790 and #818: editing settings cancelled reminders, or sent them twice."""
    caller.booked()
    owed = [(job.name, job.due_at) for job in caller.jobs()]
    profile = changed(caller, deadline={"hours_before": 48}, settings={"entry_closes_minutes": 30})

    put(caller, profile)
    put(caller, profile)
    put(caller, changed(caller, short_name="QC"), version=1)

    assert [(job.name, job.due_at) for job in caller.jobs()] == owed
    assert caller.messages() == []


def test_a_hold_stands_as_a_booking_does(caller: Caller) -> None:
    caller.held()

    assert preview(caller, fewer_hours(caller))["conflicts_found"] == 1


def test_what_is_over_or_cancelled_strands_nobody(caller: Caller) -> None:
    booking_id = caller.booked()
    caller.post(booking_id, "cancel", expected_revision=1)

    assert preview(caller, fewer_hours(caller))["conflicts_found"] == 0


def test_a_booking_of_another_shop_is_none_of_this_one(caller: Caller) -> None:
    caller.booked(shop="attachment")

    assert preview(caller, fewer_hours(caller))["conflicts_found"] == 0


def test_the_same_key_with_what_was_accepted_since_is_another_request(caller: Caller) -> None:
    caller.booked()
    profile, key = fewer_hours(caller), {"Idempotency-Key": "one"}
    put(caller, profile, headers=key)

    answer = put(caller, profile, headers=key, accept_conflicts=True)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


# Who may


@sqlite_only
def test_feeding_takes_a_scope_of_its_own(caller: Caller) -> None:
    key = caller.key("reader", Scope.SHOPS_READ, Scope.OPERATOR)

    assert put(caller, {**EXAMPLE}, shop="ginza", version=None, headers=key).status_code == 403


@sqlite_only
def test_a_key_of_one_shop_feeds_no_other(caller: Caller) -> None:
    key = caller.key("fred-pos", Scope.SHOPS_WRITE, shops=["fred"])

    assert put(caller, changed(caller), headers=key).status_code == 404
    assert caller.http.get(f"/v1/shops/{SHOP}", headers=key).status_code == 404
    assert put(caller, changed(caller, "fred", short_name="F"), shop="fred", headers=key).status_code == 200


# Menus


def with_menus(caller: Caller, *menus: tuple[str, int]) -> None:
    listed = [{"id": name, "name": {"ja": name, "en": name}, "minutes": minutes} for name, minutes in menus]
    version = show(caller)["version"]
    answer = put(caller, changed(caller, menus=listed), version=version, accept_conflicts=True)
    assert answer.status_code == 200, answer.text


def slots(caller: Caller, **query: Any) -> dict[str, Any]:
    answer = caller.http.get(f"/v1/shops/{SHOP}/slots", params={"from": "2030-06-04", "to": "2030-06-04"} | query)
    found: dict[str, Any] = answer.json()
    return found


def minutes(slot: dict[str, str]) -> int:
    return (at(slot["ends_at"]) - at(slot["starts_at"])) // timedelta(minutes=1)


def test_each_menu_has_slots_of_its_own_length(caller: Caller) -> None:
    with_menus(caller, ("talk", 20), ("fitting", 60))

    assert {minutes(slot) for slot in slots(caller, menu="fitting")["slots"]} == {60}
    assert {minutes(slot) for slot in slots(caller, menu="talk")["slots"]} == {20}


def test_the_first_menu_is_meant_where_none_is_named(caller: Caller) -> None:
    with_menus(caller, ("fitting", 60), ("talk", 20))

    found = slots(caller)

    assert (found["menu"], minutes(found["slots"][0])) == ("fitting", 60)


def test_a_booking_lasts_as_long_as_its_menu(caller: Caller) -> None:
    with_menus(caller, ("talk", 20), ("fitting", 60))

    booking = caller.get(caller.booked(menu="fitting", starts_at="2030-06-04T03:00:00Z")).json()

    assert (booking["menu"], minutes(booking)) == ("fitting", 60)


def test_a_change_keeps_the_menu(caller: Caller) -> None:
    with_menus(caller, ("talk", 20), ("fitting", 60))
    booking_id = caller.booked(menu="fitting")

    answer = caller.post(booking_id, "change", starts_at="2030-06-05T03:00:00Z", expected_revision=1)

    assert (answer.json()["menu"], minutes(answer.json())) == ("fitting", 60)


def test_a_booking_whose_menu_is_gone_is_changed_at_its_own_length(caller: Caller) -> None:
    with_menus(caller, ("talk", 20), ("fitting", 60))
    booking_id = caller.booked(menu="fitting")
    with_menus(caller, ("talk", 20))

    answer = caller.post(booking_id, "change", starts_at="2030-06-05T03:00:00Z", expected_revision=1)

    assert (answer.status_code, minutes(answer.json())) == (200, 60)


def test_a_menu_that_is_not_offered_is_refused(caller: Caller) -> None:
    with_menus(caller, ("talk", 20), ("fitting", 60))
    with_menus(caller, ("talk", 20))

    answer = caller.ask(menu="fitting")

    assert (answer.status_code, answer.json()["code"]) == (409, "menu_unknown")
    assert slots(caller, menu="fitting")["code"] == "menu_unknown"


def test_calls_of_two_menus_that_meet_anywhere_exclude_each_other(caller: Caller) -> None:
    profile = changed(caller, calendar=changed(caller)["calendar"] | {"seats": 1})
    put(caller, profile)
    with_menus(caller, ("talk", 20), ("fitting", 60))
    caller.booked(menu="fitting", starts_at=SLOT)

    answer = caller.ask(menu="talk", starts_at="2030-06-04T03:40:00Z", contact={"email": "other@example.jp"})

    assert (answer.status_code, answer.json()["code"]) == (409, "slot_taken")


@sqlite_only
def test_the_menus_are_listed_in_the_shops_order(caller: Caller) -> None:
    with_menus(caller, ("talk", 20), ("fitting", 60))

    listed = caller.http.get(f"/v1/shops/{SHOP}/menus").json()

    assert [(menu["id"], menu["minutes"]) for menu in listed["menus"]] == [("talk", 20), ("fitting", 60)]


# By staff


def with_staff(caller: Caller, **hours: Any) -> Response:
    people = [{"id": name, "name": {"ja": name, "en": name}, "hours": its} for name, its in hours.items()]
    profile = changed(caller, slots_by="staff", staff=people)
    return put(caller, profile, version=show(caller)["version"], accept_conflicts=True)


AFTERNOON = {"2": [["14:00", "20:00"]]}


def test_by_staff_a_slot_is_free_while_somebody_who_is_there_is(caller: Caller) -> None:
    with_staff(caller, hana={"2": [["12:00", "13:00"]]}, sora=AFTERNOON)

    offered = {slot["starts_at"][11:16] for slot in slots(caller)["slots"]}

    # 12:00, 12:20 and 12:40, and from 14:00 on, in Tokyo.
    assert {"03:00", "03:20", "03:40", "05:00"} <= offered
    assert not {"02:40", "04:00", "04:40"} & offered


def test_by_staff_the_second_customer_gets_the_second_member_and_the_third_nobody(caller: Caller) -> None:
    with_staff(caller, hana=None, sora=None)

    taken = [caller.ask(contact={"email": f"{name}@example.jp"}) for name in ("a", "b", "c")]

    assert [answer.status_code for answer in taken] == [201, 201, 409]
    assert sorted(booking.seat for booking in caller.bookings()) == [1, 2]


def test_a_seat_stays_its_members_own(caller: Caller) -> None:
    with_staff(caller, hana=None, sora=None)
    with_staff(caller, sora=None, rin=None)
    with_staff(caller, hana=None, sora=None, rin=None)

    assert {name: staff(caller, name).seat for name in ("hana", "sora", "rin")} == {"hana": 1, "sora": 2, "rin": 3}


def test_who_is_left_out_takes_no_calls_and_their_links_are_void(caller: Caller) -> None:
    with_staff(caller, hana=None, sora=None)
    before = staff(caller, "hana")

    with_staff(caller, sora=None)

    after = staff(caller, "hana")
    assert (before.enabled, after.enabled) == (True, False)
    assert after.link_generation == before.link_generation + 1


def test_a_member_who_goes_strands_their_own_bookings_alone(caller: Caller) -> None:
    with_staff(caller, hana=None, sora=None)
    made = [caller.booked(contact={"email": f"{name}@example.jp"}) for name in ("a", "b")]
    hers, _his = sorted(made, key=lambda each: caller.booking(each).seat)
    people = [{"id": "sora", "name": {"ja": "空", "en": "Sora"}, "hours": None}]

    seen = preview(caller, changed(caller, staff=people))

    assert [(each["booking"], each["because"]) for each in seen["conflicts"]] == [(str(hers), ["seat_gone"])]


def test_who_goes_on_leave_strands_their_bookings_of_the_shops_special_days_as_well(caller: Caller) -> None:
    with_staff(caller, sora=None)
    profile = changed(caller)
    profile["calendar"]["exceptions"] |= {"2030-06-04": [["11:00", "15:00"]]}
    put(caller, profile, version=1)
    booking_id = caller.booked()
    profile["staff"][0]["hours"] = {}

    seen = preview(caller, profile)

    assert [(each["booking"], each["because"]) for each in seen["conflicts"]] == [(str(booking_id), ["staff_away"])]


# The purpose


def test_what_the_customer_wants_stands_with_the_booking(caller: Caller) -> None:
    booking_id = caller.booked(purpose="size")

    assert caller.get(booking_id).json()["purpose"] == "size"


@sqlite_only
def test_a_purpose_is_a_word_of_ours_and_never_needed(caller: Caller) -> None:
    assert caller.ask(purpose="marriage").status_code == 422
    assert caller.get(caller.booked()).json()["purpose"] is None
