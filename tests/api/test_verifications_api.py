"""Proving a contact for another system: uniform answers, one key's proofs for that key alone, the code nowhere."""

from collections.abc import Callable
from importlib import import_module
from typing import Any
from uuid import UUID

import pytest
from httpx2 import Response

from models.access import Scope
from models.job import Name
from models.message import Kind
from models.verification import Verification
from tests.api.calling import Caller
from tests.conftest import StoppedTime
from tests.worker.desk import phone, sqlite_only
from worker import codes, jobs
from worker.composing import compose
from worker.database import Database
from worker.vendors import OutgoingSms

pytestmark = sqlite_only

PATH = "/v1/verifications"


@pytest.fixture
def caller(seeded: Database, time: StoppedTime) -> Caller:
    return Caller.of(seeded, time)


@pytest.fixture
def own(caller: Caller) -> dict[str, str]:
    """The key of a system that may prove contacts and nothing else."""
    return caller.key("site", Scope.VERIFICATIONS)


Own = dict[str, str]


def body(**changes: Any) -> dict[str, Any]:
    plain = {"shop": "fred", "contact": {"phone": "090-0000-0012"}, "customer_ip": "192.0.2.10"}
    return plain | changes


def begin(caller: Caller, own: Own, *, key: str = "one", **changes: Any) -> Response:
    return caller.http.post(PATH, json=body(**changes), headers={**own, "Idempotency-Key": key})


def begun(caller: Caller, own: Own, *, key: str = "one", **changes: Any) -> UUID:
    answer = begin(caller, own, key=key, **changes)
    assert answer.status_code == 201, answer.text
    return UUID(answer.json()["id"])


def proof(caller: Caller, proof_id: UUID) -> Verification:
    with caller.database.snapshot() as session:
        return session.get_one(Verification, proof_id)


def check(caller: Caller, own: Own, proof_id: UUID, *, right: bool = True) -> Response:
    code = codes.code(proof(caller, proof_id))
    given = code if right else f"{(int(code) + 1) % 10**6:06d}"
    return caller.http.post(f"{PATH}/{proof_id}/check", json={"code": given}, headers=own)


def resend(caller: Caller, own: Own, proof_id: UUID) -> Response:
    return caller.http.post(f"{PATH}/{proof_id}/resend", headers=own)


def problem(answer: Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


# Beginning


def test_a_proof_is_begun_and_its_code_owed(caller: Caller, own: Own) -> None:
    answer = begin(caller, own)

    made = answer.json()
    [owed] = caller.jobs(Name.DISPATCH_CODE)
    assert (answer.status_code, answer.headers["location"]) == (201, f"{PATH}/{made['id']}")
    assert (made["status"], made["channel"], made["approved_at"]) == ("pending", "sms", None)
    assert owed.args["verification_id"] == made["id"]


def test_the_code_and_the_contact_are_in_no_answer_and_no_job(caller: Caller, own: Own) -> None:
    answer = begin(caller, own)

    code = codes.code(proof(caller, UUID(answer.json()["id"])))
    told = answer.text + repr([job.args for job in caller.jobs()])
    assert code not in told
    assert phone(12).removeprefix("+81") not in told


def test_the_same_request_again_sends_no_second_code(caller: Caller, own: Own) -> None:
    first = begin(caller, own)

    again = begin(caller, own)

    assert again.json() == first.json()
    assert len(caller.jobs(Name.DISPATCH_CODE)) == 1


def test_a_request_without_an_idempotency_key_is_refused(caller: Caller, own: Own) -> None:
    answer = caller.http.post(PATH, json=body(), headers=own)

    assert answer.status_code == 400


@pytest.mark.parametrize("contact", [{"phone": "03-1234-5678"}, {"phone": "0120-000-000"}, {"email": "no mailbox"}])
def test_what_cannot_get_a_code_is_refused(caller: Caller, own: Own, contact: dict[str, str]) -> None:
    answer = begin(caller, own, contact=contact)

    assert answer.status_code == 422
    assert caller.jobs() == []


def test_a_known_contact_and_an_unknown_one_get_the_same_answer(caller: Caller, own: Own) -> None:
    caller.booked()

    known = begin(caller, own, key="known").json()
    unknown = begin(caller, own, key="unknown", contact={"phone": "090-0000-0099"}).json()

    assert {name: value for name, value in known.items() if name != "id"} == {
        name: value for name, value in unknown.items() if name != "id"
    }


def test_a_key_without_the_scope_may_not(caller: Caller) -> None:
    answer = begin(caller, caller.key("reader", Scope.BOOKINGS_READ))

    assert answer.status_code == 403


def test_a_key_may_not_send_codes_in_the_name_of_a_shop_it_does_not_cover(caller: Caller) -> None:
    answer = begin(caller, caller.key("vicky", Scope.VERIFICATIONS, shops=["vicky"]))

    assert answer.status_code in {403, 404}
    assert caller.jobs() == []


def test_the_sixth_code_to_a_contact_is_refused_with_when_to_come_again(caller: Caller, own: Own) -> None:
    answers = [begin(caller, own, key=f"key-{place}") for place in range(6)]

    assert [answer.status_code for answer in answers] == [201] * 5 + [429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 600


def test_a_cap_is_shared_with_bookings(caller: Caller, own: Own) -> None:
    for place in range(5):
        begin(caller, own, key=f"key-{place}")

    assert caller.ask().status_code == 429


# Checking


def test_the_right_code_approves(caller: Caller, own: Own) -> None:
    proof_id = begun(caller, own)

    answer = check(caller, own, proof_id)

    assert (answer.status_code, answer.json()["status"]) == (200, "approved")
    assert answer.json()["approved_at"] is not None


def test_the_right_code_again_is_still_approved(caller: Caller, own: Own) -> None:
    proof_id = begun(caller, own)
    first = check(caller, own, proof_id)

    again = check(caller, own, proof_id)

    assert again.json()["approved_at"] == first.json()["approved_at"]


def test_a_wrong_code_says_so_and_is_counted_though_refused(caller: Caller, own: Own) -> None:
    proof_id = begun(caller, own)

    answer = check(caller, own, proof_id, right=False)

    assert problem(answer)[1] == "code_wrong"
    assert proof(caller, proof_id).attempts == 1


def test_after_five_wrong_codes_the_right_one_is_refused(caller: Caller, own: Own) -> None:
    proof_id = begun(caller, own)
    for _ in range(5):
        check(caller, own, proof_id, right=False)

    answer = check(caller, own, proof_id)

    assert problem(answer)[1] == "code_exhausted"


def test_a_code_whose_life_is_over_approves_nothing(caller: Caller, own: Own) -> None:
    proof_id = begun(caller, own)
    caller.time.move_to(proof(caller, proof_id).expires_at)

    assert check(caller, own, proof_id).status_code != 200
    assert proof(caller, proof_id).verified_at is None


def test_tries_over_many_codes_are_capped(caller: Caller, own: Own) -> None:
    """Fault 21: five tries a code, and as many codes as one likes."""
    for place in range(2):
        proof_id = begun(caller, own, key=f"key-{place}")
        for _ in range(5):
            check(caller, own, proof_id, right=False)

    third = begun(caller, own, key="third")

    answer = check(caller, own, third)
    assert answer.status_code == 429
    assert "retry-after" in answer.headers


# Whose it is


@pytest.mark.parametrize("act", [check, resend])
def test_anothers_proof_does_not_exist(caller: Caller, own: Own, act: Callable[..., Response]) -> None:
    proof_id = begun(caller, own)

    answer = act(caller, caller.key("other", Scope.VERIFICATIONS), proof_id)

    assert problem(answer) == (404, "verification_not_found")
    assert proof(caller, proof_id).attempts == 0


def test_the_proof_of_a_booking_is_not_checked_here(caller: Caller, own: Own) -> None:
    booking_id = caller.held()
    proof_id = caller.verification(booking_id).id

    answer = caller.http.post(f"{PATH}/{proof_id}/check", json={"code": caller.code(booking_id)}, headers=own)

    assert problem(answer) == (404, "verification_not_found")


# Sending again


def test_a_code_is_sent_again_after_the_cool_down(caller: Caller, own: Own) -> None:
    proof_id = begun(caller, own)
    too_soon = resend(caller, own, proof_id)
    caller.time.advance(seconds=60)

    in_time = resend(caller, own, proof_id)

    assert (too_soon.status_code, in_time.status_code) == (429, 200)
    assert len(caller.jobs(Name.DISPATCH_CODE)) == 2


# What is sent


def test_the_message_names_the_page_that_asks_so_that_phones_fill_it_in(caller: Caller, own: Own) -> None:
    import_module("tasks.verification")
    proof_id = begun(caller, own, page_host="www.example.jp")
    [job] = caller.jobs(Name.DISPATCH_CODE)

    jobs.perform(job.id)

    [message] = caller.messages(Kind.VERIFICATION_CODE)
    with caller.database.transaction() as session:
        sms = compose(session, message, None, UUID(int=1), carrier="twilio", now=caller.time.at)
    assert isinstance(sms, OutgoingSms)
    assert sms.text.splitlines()[-1] == f"@www.example.jp #{codes.code(proof(caller, proof_id))}"
