"""People's work on disclosure cases: done once, with a reason that is sealed, and a second person sees what is now."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response
from sqlalchemy import func, select

from api.case_answers import AuditShown, CaseAtWork, CaseNow, CasesFound, LetterPreview, Revealed, SwitchShown, WorkList
from models.access import IdempotentRequest
from models.audit import CaseEvent
from models.disclosure import Party, State
from models.message import Kind
from models.roles import Role
from models.work import Work
from tests.api.case_deeds import DEEDS, Deed
from tests.api.case_people import SECOND, People
from tests.conftest import StoppedTime
from tests.worker import marketplace
from tests.worker.desk import sqlite_only
from worker.cases import noticing, releases, worklist
from worker.cases.revealing import LOOKS
from worker.commands.keys import PEOPLE
from worker.database import Database
from worker.settings import settings

pytestmark = sqlite_only
WHY = "本人の書き込みを確認した。reasoncanary"
every_deed = pytest.mark.parametrize("deed", DEEDS, ids=str)


@pytest.fixture
def people(database: Database, time: StoppedTime) -> People:
    return People.of(database, time)


def last(people: People, case_id: UUID, kind: str) -> CaseEvent:
    return [event for event in people.trail(case_id) if event.kind == kind][-1]


def does(people: People, deed: Deed, who: str, shown: dict[str, Any], key: str | None = None) -> Response:
    return people.do(who, f"/cases/{shown['id']}{deed.path(shown)}", key=key, **{"reason": WHY, **deed.body(shown)})


@every_deed
def test_a_deed_is_answered_with_the_case_as_it_is_then(people: People, deed: Deed) -> None:
    case_id = deed.begin(people)

    answer = does(people, deed, deed.who, people.shown(case_id))

    assert answer.status_code == 200, answer.text
    CaseAtWork.model_validate(answer.json())
    assert {**answer.json(), "checks": [], "is_eligible": None} == {
        **people.shown(case_id, deed.who),
        "checks": [],
        "is_eligible": None,
    }


@every_deed
def test_a_deed_stands_in_the_trail_with_person_role_and_sealed_reason(people: People, deed: Deed) -> None:
    case_id = deed.begin(people)

    does(people, deed, deed.who, people.shown(case_id))

    event = last(people, case_id, deed.event)
    assert (event.actor, people.reason(event)) == (f"person:{deed.who}", WHY)
    assert event.role == PEOPLE[deed.who]
    assert "reasoncanary" not in json.dumps(people.shown(case_id), ensure_ascii=False)


@every_deed
def test_a_second_person_is_refused_with_the_case_as_it_stands(people: People, deed: Deed) -> None:
    case_id = deed.begin(people)
    shown = people.shown(case_id)
    does(people, deed, deed.who, shown)
    now = people.shown(case_id)

    late = does(people, deed, SECOND, shown)

    assert (late.status_code, late.json()["code"]) == (409, deed.again)
    assert late.json()["case"] == {name: now[name] for name in CaseNow.model_fields}
    assert people.shown(case_id) == now


def test_the_same_request_again_gets_the_same_answer_and_has_no_second_effect(people: People) -> None:
    deed = next(each for each in DEEDS if each.event == "proposed")
    case_id = deed.begin(people)
    shown = people.shown(case_id)

    first, again = (does(people, deed, deed.who, shown, key="once") for _ in range(2))

    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert people.shown(case_id, deed.who)["timeline"] == first.json()["timeline"]


@pytest.mark.parametrize("reason", ["", "   ", "x" * 401, None])
def test_nothing_is_done_without_a_reason(people: People, reason: str | None) -> None:
    case_id = people.office.negotiating()

    answer = people.do("ito", f"/cases/{case_id}/hold", reason=reason)

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/reason")
    assert people.office.case(case_id).held_at is None


def test_what_concerns_no_case_is_not_found(people: People) -> None:
    answer = people.do("ito", f"/cases/{UUID(int=404)}/hold")

    assert (answer.status_code, answer.json()["code"]) == (404, "case_not_found")


@pytest.mark.parametrize(
    ("who", "path", "body", "code"),
    [
        ("sato", "proposals/{id}/approve", {"digest": "0" * 64}, "decision_not_found"),
        ("abe", "papers/{id}/move", {"from_shelf": "A-1", "to_shelf": "A-2"}, "paper_not_found"),
        ("abe", "papers/{id}/destroy", {}, "paper_not_found"),
        ("mori", "items/{id}/accept", {}, "item_not_found"),
        ("mori", "deficient", {"found": [{"item": "{id}", "flaws": ["missing"]}]}, "item_not_found"),
        ("ono", "notices/{id}/again", {}, "notice_not_found"),
        ("ito", "work/{id}/close", {}, "work_not_found"),
    ],
)
def test_what_is_another_cases_is_not_found(
    people: People, who: str, path: str, body: dict[str, Any], code: str
) -> None:
    case_id, nothing = people.office.screened(), str(UUID(int=404))
    said = json.loads(json.dumps(body).replace("{id}", nothing))

    answer = people.do(who, f"/cases/{case_id}/{path.format(id=nothing)}", **said)

    assert (answer.status_code, answer.json()["code"]) == (404, code)


# What waits


def test_what_waits_is_listed_the_oldest_first(people: People, time: StoppedTime) -> None:
    case_id = people.office.screened()
    time.advance(hours=1)
    people.office.propose(case_id)

    listed = people.see("wada", "").json()

    WorkList.model_validate(listed)
    assert [each["work"] for each in listed["work"]] == ["screen", "approve"]
    assert {each["case"] for each in listed["work"]} == {str(case_id)}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"role": "checker"}, ["approve"]),
        ({"work": "screen"}, ["screen"]),
        ({"mine": True}, ["screen"]),
        ({"overdue": True}, []),
        ({"limit": 1}, ["screen"]),
    ],
)
def test_what_waits_can_be_narrowed(people: People, query: dict[str, Any], found: list[str]) -> None:
    people.office.propose(people.office.screened())

    listed = people.see("kimura", "", **query).json()["work"]

    assert [each["work"] for each in listed] == found


def test_a_list_goes_on_where_a_page_ended(people: People) -> None:
    people.office.propose(people.office.screened())
    page = people.see("wada", "", limit=1).json()

    rest = people.see("wada", "", limit=1, after=page["next_after"]).json()

    assert [each["work"] for each in rest["work"]] == ["approve"]
    assert rest["next_after"] is None


def test_work_that_lies_too_long_is_found(people: People, time: StoppedTime) -> None:
    people.office.screened()
    time.advance(days=8)
    people.backroom.work()

    [work] = people.see("wada", "", overdue=True).json()["work"]

    assert work["overdue_at"] is not None


def test_a_proposal_about_a_protected_address_waits_for_the_legal_department(people: People) -> None:
    _protect(people)
    people.office.propose(people.office.screened())

    [approve] = people.see("wada", "", work="approve").json()["work"]

    assert approve["role"] == "legal"


def test_a_case_is_found_by_the_number_on_a_paper(people: People) -> None:
    case_id = people.office.screened()
    reference = people.office.case(case_id).reference

    found = [people.see("abe", "/cases", reference=typed).json() for typed in (reference, f" {reference.lower()} ")]

    for each in found:
        CasesFound.model_validate(each)
        assert [case["id"] for case in each["cases"]] == [str(case_id)]


@pytest.mark.parametrize("typed", ["", "D", "DAZFJ-0L4", "%", "DUUUU-UUUU", "D0000-0000"])
def test_what_is_no_cases_number_finds_none(people: People, typed: str) -> None:
    people.office.screened()

    assert people.see("abe", "/cases", reference=typed).json() == {"cases": []}


def test_work_that_ends_by_being_done_is_not_closed_by_hand(people: People) -> None:
    case_id = people.office.screened()
    [work] = people.shown(case_id)["work"]

    answer = people.do("kimura", f"/cases/{case_id}/work/{work['id']}/close")

    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")


def test_only_whose_work_it_is_closes_it(people: People) -> None:
    deed = next(each for each in DEEDS if each.event == "work_closed")
    case_id = deed.begin(people)

    answer = does(people, deed, "ueda", people.shown(case_id))

    assert (answer.status_code, answer.json()["roles"]) == (403, ["legal"])


# Four eyes


def test_who_proposed_may_not_approve(people: People) -> None:
    case_id = people.office.screened()
    both = people.caller.person("double", Role.MAKER, Role.CHECKER, key="one")
    other = people.caller.person("double", Role.MAKER, Role.CHECKER, key="two")
    people.keys |= {"one": both, "two": other}
    propose = next(each for each in DEEDS if each.event == "proposed")
    shown = does(people, propose, "one", people.shown(case_id)).json()
    path = f"/cases/{case_id}/proposals/{shown['proposal']['id']}/approve"

    answers = [people.do(key, path, digest=shown["proposal"]["digest"]) for key in ("one", "two")]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(409, "four_eyes")] * 2
    assert people.office.state(case_id) is State.SCREENING


def test_nobody_who_accepted_a_paper_approves_what_follows(people: People) -> None:
    case_id = people.office.reviewing()
    items = people.shown(case_id)["items"]
    people.do(SECOND, f"/cases/{case_id}/items/{items[0]['id']}/accept")
    for item in items[1:]:
        people.do("mori", f"/cases/{case_id}/items/{item['id']}/accept")
    people.office.propose(case_id)
    proposal = people.shown(case_id)["proposal"]

    answer = people.do(SECOND, f"/cases/{case_id}/proposals/{proposal['id']}/approve", digest=proposal["digest"])

    assert (answer.status_code, answer.json()["code"]) == (409, "four_eyes")


def test_an_approval_names_what_was_looked_at(people: People) -> None:
    case_id = people.office.screened()
    decision_id = people.office.propose(case_id)

    answer = people.do("sato", f"/cases/{case_id}/proposals/{decision_id}/approve", digest="0" * 64)

    assert (answer.status_code, answer.json()["code"]) == (409, "stale_revision")


def test_a_proposal_of_an_older_state_is_void(people: People) -> None:
    case_id = people.office.screened()
    people.office.propose(case_id)
    proposal = people.shown(case_id)["proposal"]
    people.do("ito", f"/cases/{case_id}/hold")
    people.do("ito", f"/cases/{case_id}/resume")

    answer = people.do("sato", f"/cases/{case_id}/proposals/{proposal['id']}/approve", digest=proposal["digest"])

    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")
    assert [each["standing"] for each in people.shown(case_id)["decisions"]] == ["void"]


def test_a_protected_address_takes_the_legal_role(people: People) -> None:
    _protect(people)
    case_id = people.office.screened()
    people.office.propose(case_id)
    proposal = people.shown(case_id)["proposal"]
    path = f"/cases/{case_id}/proposals/{proposal['id']}/approve"

    checker, legal = (people.do(who, path, digest=proposal["digest"]) for who in ("sato", "ito"))

    assert (checker.status_code, checker.json()["roles"]) == (403, ["legal"])
    assert legal.json()["decisions"][0]["as_legal"] is True


def test_a_paper_is_not_witnessed_by_who_shredded_it(people: People) -> None:
    deed = next(each for each in DEEDS if each.event == "paper_destroyed")
    case_id = deed.begin(people)

    answer = does(people, deed, "abe", people.shown(case_id))

    assert (answer.status_code, answer.json()["code"]) == (409, "four_eyes")


def test_a_paper_is_gone_once_two_persons_said_so(people: People) -> None:
    deed = next(each for each in DEEDS if each.event == "paper_destroyed")
    case_id = deed.begin(people)

    [paper, *_] = does(people, deed, "endo", people.shown(case_id)).json()["papers"]

    assert (paper["destroyed_by"], paper["destroyed_with"]) == ("person:abe", "person:endo")
    assert paper["destroyed_at"] is not None


# Notices


@pytest.mark.parametrize("what", ["again", "deem-arrived"])
def test_a_notice_that_was_not_sent_yet_neither_arrives_nor_is_sent_again(people: People, what: str) -> None:
    case_id = people.office.screened()
    people.change(
        case_id,
        lambda session, case: noticing.write(session, case, Party.APPLICANT, Kind.CASE_CLOSED, now=people.office.now),
    )
    unsent = people.shown(case_id)["notices"][-1]

    answer = people.do("ono", f"/cases/{case_id}/notices/{unsent['id']}/{what}")

    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")


def test_a_notice_is_sent_again_with_what_it_said(people: People) -> None:
    case_id = people.office.screened()
    people.do("ono", f"/cases/{case_id}/incomplete", missing=["circumstances"])
    asked = next(each for each in people.shown(case_id)["notices"] if each["kind"] == "case_intake_deficient")

    people.do("ono", f"/cases/{case_id}/notices/{asked['id']}/again")

    again = people.office.notices(case_id)[-1]
    assert (again.kind, again.facts["missing"]) == (Kind.CASE_INTAKE_DEFICIENT, ["circumstances"])


@pytest.mark.parametrize(("what", "vendor_answers"), [("again", True), ("deem-arrived", False)])
def test_who_mends_a_notice_has_done_the_work(people: People, what: str, vendor_answers: bool) -> None:
    people.backroom.vendor_answers = vendor_answers
    case_id = people.office.screened()
    people.change(
        case_id, lambda session, case: worklist.open_work(session, case, Work.MEND_NOTICE, now=people.office.now)
    )
    notice = people.shown(case_id)["notices"][-1]

    answer = people.do("ono", f"/cases/{case_id}/notices/{notice['id']}/{what}")

    assert answer.status_code == 200, answer.text
    assert "mend_notice" not in people.office.work(case_id)


# What is sealed


@pytest.mark.parametrize(
    ("what", "mark"),
    [
        ("form", "situationcanary"),
        ("stage_2", "necessitycanary"),
        ("opinion", "opinioncanary"),
        ("parties", "mseller@example.jp"),
        ("notes", "a note"),
    ],
)
def test_what_is_sealed_is_opened_with_a_reason(people: People, what: str, mark: str) -> None:
    case_id = people.office.reviewing()

    answer = people.do("mori", f"/cases/{case_id}/reveal", what=[what], reason=WHY)

    assert answer.status_code == 200, answer.text
    Revealed.model_validate(answer.json())
    assert list(answer.json()) == [what]
    assert mark in answer.text
    assert mark not in json.dumps(people.shown(case_id))


def test_a_look_stands_in_the_trail(people: People) -> None:
    case_id = people.office.screened()

    people.do("mori", f"/cases/{case_id}/reveal", what=["parties", "form"], reason=WHY)

    event = people.trail(case_id)[-1]
    assert (event.kind, event.actor, event.facts["what"]) == ("revealed", "person:mori", ["form", "parties"])
    assert people.reason(event) == WHY


def test_each_look_is_a_look_of_its_own_and_is_kept_nowhere(people: People) -> None:
    case_id = people.office.screened()

    for _ in range(2):
        people.do("mori", f"/cases/{case_id}/reveal", what=["form"], key="the same")

    assert [event.kind for event in people.trail(case_id)].count("revealed") == 2
    with people.caller.database.snapshot() as session:
        assert session.scalars(select(func.count()).select_from(IdempotentRequest)).one() == 0


def test_a_person_looks_so_often_and_no_more(people: People, time: StoppedTime) -> None:
    case_id = people.office.screened()
    looks = [people.do("mori", f"/cases/{case_id}/reveal", what=["opinion"]).status_code for _ in range(LOOKS.most)]

    over = people.do("mori", f"/cases/{case_id}/reveal", what=["opinion"])
    colleague = people.do("kimura", f"/cases/{case_id}/reveal", what=["opinion"])
    time.advance(hours=1)
    later = people.do("mori", f"/cases/{case_id}/reveal", what=["opinion"])

    assert set(looks) == {200}
    assert (over.status_code, over.headers["Retry-After"]) == (429, "3600")
    assert (colleague.status_code, later.status_code) == (200, 200)


def test_a_protected_address_is_shown_to_the_legal_department_alone(people: People) -> None:
    _protect(people)
    case_id = people.office.screened()

    maker, legal = (people.do(who, f"/cases/{case_id}/reveal", what=["parties"]) for who in ("kimura", "ito"))

    assert maker.json()["parties"]["counterparty"]["withheld"] == ["postal_code", "address"]
    assert "mseller町" not in maker.text
    assert "mbuyer町" in maker.text
    assert "mseller町" in legal.text


def test_data_of_several_dates_are_shown_once_each(people: People, time: StoppedTime) -> None:
    case_id = people.office.screened()
    time.advance(days=1)
    with people.caller.database.transaction() as session:
        marketplace.a_change(session, marketplace.SELLER, email="new@example.jp", received_at=time.at)

    answer = people.do("kimura", f"/cases/{case_id}/reveal", what=["parties"]).json()

    registered = answer["parties"]["counterparty"]["registered"]
    assert [(each["as_of"], each["email"]) for each in registered] == [
        (["registration", "trade"], "mseller@example.jp"),
        (["now"], "new@example.jp"),
    ]


def test_reasons_are_opened_for_auditors(people: People) -> None:
    case_id = people.office.negotiating()
    people.do("ito", f"/cases/{case_id}/hold", reason=WHY)
    held = last(people, case_id, "held").number

    answer = people.do("endo", f"/cases/{case_id}/audit/reasons", reason="the yearly audit")

    assert answer.json()["reasons"][str(held)] == WHY
    assert people.trail(case_id)[-1].role == "auditor"


def test_reasons_are_not_opened_for_who_may_not_audit(people: People) -> None:
    case_id = people.office.screened()

    answer = people.do("kimura", f"/cases/{case_id}/reveal", what=["form", "reasons"])

    assert (answer.status_code, answer.json()["roles"]) == (403, ["legal", "auditor"])


def test_the_trail_is_shown_with_what_chains_it(people: People) -> None:
    case_id = people.office.negotiating()

    shown = people.see("endo", f"/cases/{case_id}/audit").json()

    AuditShown.model_validate(shown)
    assert shown["unbroken"] is True
    assert [each["number"] for each in shown["events"]] == list(range(1, len(shown["events"]) + 1))
    assert [each["fields"] for each in shown["disclosures"]] == [["email"], ["email"]]


@pytest.mark.parametrize("who", ["abe", "ueda"])
def test_who_does_not_judge_sees_no_ground_of_a_refusal(people: People, who: str) -> None:
    case_id = people.office.screened()
    people.do("kimura", f"/cases/{case_id}/proposals", verdict="refuse", refusal="rules_broken")

    shown = people.shown(case_id, who)

    assert "rules_broken" not in json.dumps(shown)
    assert shown["checks"] == []
    assert "rules_broken" in json.dumps(people.shown(case_id, "sato"))


# The letter


def test_a_letter_is_handed_out_once(people: People) -> None:
    case_id = people.office.releasing()

    first, again = (people.do("abe", f"/cases/{case_id}/letter/print", reason=WHY) for _ in range(2))

    assert (first.status_code, first.headers["Content-Type"], first.content[:5]) == (200, "application/pdf", b"%PDF-")
    assert (again.status_code, again.json()["code"]) == (409, "illegal_move")
    assert again.json()["case"]["state"] == "releasing"
    assert people.reason(last(people, case_id, "letter_printed")) == WHY


def test_a_letter_that_was_lost_is_spoiled_and_made_anew(people: People) -> None:
    case_id = people.office.releasing()
    people.do("abe", f"/cases/{case_id}/letter/print")
    people.do("abe", f"/cases/{case_id}/letter/spoil")

    answer = people.do("abe", f"/cases/{case_id}/letter/print")

    assert answer.content.startswith(b"%PDF-")
    assert [each["serial"] for each in people.shown(case_id)["letters"]] == [1, 2]


def test_a_letter_is_looked_at_before_it_is_approved(people: People) -> None:
    case_id = people.office.reviewing()
    people.office.accept_all(case_id)
    people.office.propose(case_id, fields=("name", "address"))

    preview = people.see("sato", f"/cases/{case_id}/letter/preview").json()

    LetterPreview.model_validate(preview)
    assert preview["digest"] == people.shown(case_id)["proposal"]["digest"]
    assert [each["label"] for each in preview["fields"]] == ["氏名", "住所"]
    assert (preview["is_approved"], preview["unchanged"], preview["addressee"]) == (False, True, "individual")
    assert "mseller" not in json.dumps(preview, ensure_ascii=False)


def test_a_preview_says_that_what_was_decided_on_has_changed(people: People, time: StoppedTime) -> None:
    case_id = people.office.releasing()
    with people.caller.database.transaction() as session:
        marketplace.a_change(session, marketplace.SELLER, name="別 mseller", received_at=time.at)

    preview = people.see("abe", f"/cases/{case_id}/letter/preview").json()

    assert preview["unchanged"] is False


def test_there_is_no_preview_where_no_letter_follows(people: People) -> None:
    case_id = people.office.screened()
    people.office.propose(case_id)

    answer = people.see("sato", f"/cases/{case_id}/letter/preview")

    assert (answer.status_code, answer.json()["lacks"]) == (409, "decision")


# The switch


def test_no_letter_goes_out_while_releases_are_stopped(people: People) -> None:
    case_id = people.office.releasing()
    people.do("ito", "/releases/stop")

    stopped = people.do("abe", f"/cases/{case_id}/letter/print")
    people.do("ito", "/releases/resume")
    resumed = people.do("abe", f"/cases/{case_id}/letter/print")

    assert (stopped.status_code, stopped.json()["code"]) == (409, "releases_stopped")
    assert resumed.status_code == 200


def test_addresses_wait_while_releases_are_stopped_and_go_out_afterwards(people: People) -> None:
    case_id = people.office.screened()
    people.do("ito", "/releases/stop")
    people.office.decide(case_id)
    waiting = people.office.case(case_id)
    shown = people.see("wada", "/releases").json()

    people.do("ito", "/releases/resume")
    people.backroom.work()

    SwitchShown.model_validate(shown)
    assert (waiting.state, waiting.released_at, shown["waiting"]) == (State.EXCHANGING, None, 1)
    assert people.office.state(case_id) is State.NEGOTIATING


@pytest.mark.parametrize(("turns", "turn"), [(["stop"], "stop"), ([], "resume"), (["stop", "resume"], "resume")])
def test_the_switch_is_not_turned_where_it_stands(people: People, turns: list[str], turn: str) -> None:
    for each in turns:
        assert people.do("ito", f"/releases/{each}").status_code == 200

    answer = people.do(SECOND, f"/releases/{turn}")

    assert (answer.status_code, answer.json()["code"]) == (409, "illegal_move")


@pytest.fixture
def one_an_hour(people: People, environment: pytest.MonkeyPatch) -> Iterator[People]:
    """A house that releases once an hour."""
    environment.setenv("CASE_POLICY", '{"most_releases_an_hour": 1}')
    settings.cache_clear()
    yield people
    settings.cache_clear()


def test_letters_beyond_the_hours_rate_wait(one_an_hour: People, time: StoppedTime) -> None:
    case_id = one_an_hour.office.releasing()

    over = one_an_hour.do("abe", f"/cases/{case_id}/letter/print")
    time.advance(hours=1)
    later = one_an_hour.do("abe", f"/cases/{case_id}/letter/print")

    assert (over.status_code, over.headers["Retry-After"]) == (429, "3600")
    assert later.status_code == 200


def test_addresses_beyond_the_hours_rate_go_out_when_there_is_room(one_an_hour: People, time: StoppedTime) -> None:
    case_id = one_an_hour.office.screened()
    with one_an_hour.caller.database.transaction() as session:
        releases.admit(session, now=time.at)

    one_an_hour.office.decide(case_id)
    before = one_an_hour.office.case(case_id)
    time.advance(hours=1)
    one_an_hour.backroom.work()

    assert (before.state, before.released_at) == (State.EXCHANGING, None)
    assert one_an_hour.office.state(case_id) is State.NEGOTIATING


def _protect(people: People) -> None:
    with people.caller.database.transaction() as session:
        marketplace.a_member(session, marketplace.SELLER, protected_address=True)
