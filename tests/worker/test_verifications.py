"""Proofs of a contact: begun under caps, sent again, judged; the count of a try survives its refusal."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest

from models.customer import Channel
from models.errors import (
    CodeExhausted,
    CodeWrong,
    HoldEnded,
    Refusal,
    ResendTooOften,
    ResendTooSoon,
    TooManyRequests,
)
from models.job import Name
from models.shop import Shop
from models.verification import Purpose, Verification
from tests.worker.desk import MINUTE, MOMENT, NOW, Desk, at_once, phone, sqlite_only
from worker import codes, guards, verifications
from worker.customers import Contact, customer_at
from worker.database import Database

LIFE = timedelta(minutes=10)
NETWORK = "192.0.2.1"


@pytest.fixture
def desk(seeded: Database, time: object) -> Desk:
    return Desk(seeded)


def begin(desk: Desk, *, number: int = 12, at: datetime = NOW, network: str = NETWORK) -> UUID:
    """Begin a proof that stands alone; return its id."""
    contact = Contact(Channel.SMS, phone(number))
    with desk.database.transaction() as session:
        shop = session.get_one(Shop, "fred")
        proof = verifications.begin(
            session,
            shop,
            customer_at(session, shop.id, contact, now=at),
            contact,
            language="ja",
            received_at=at,
            network=network,
            caller="pages",
        )
        proof.api_key_id = None
        session.add(proof)
        verifications.owe_code(session, proof)
        return proof.id


def of(desk: Desk, proof_id: UUID) -> Verification:
    with desk.database.snapshot() as session:
        return session.get_one(Verification, proof_id)


def judge(desk: Desk, proof_id: UUID, *, right: bool, at: datetime = NOW + MINUTE) -> Refusal | None:
    with desk.database.transaction() as session:
        proof = verifications.locked(session, proof_id)
        assert proof is not None
        code = codes.code(proof)
        given = code if right else f"{(int(code) + 1) % 10**6:06d}"
        return verifications.judge(session, proof, given, received_at=at)


def send_again(desk: Desk, proof_id: UUID, *, at: datetime) -> None:
    with desk.database.transaction() as session:
        proof = verifications.locked(session, proof_id)
        assert proof is not None
        verifications.send_again(session, proof, life=LIFE, received_at=at)


def test_a_proof_that_stands_alone_is_its_own_subject_and_owes_its_code(desk: Desk) -> None:
    proof_id = begin(desk)

    proof = of(desk, proof_id)
    [owed] = desk.jobs(Name.DISPATCH_CODE)
    assert (proof.purpose, proof.subject_id) == (Purpose.ALONE, proof_id)
    assert owed.args == {"verification_id": str(proof_id), "number": 1}


def test_a_proof_that_is_refused_leaves_nothing(desk: Desk) -> None:
    for _ in range(5):
        begin(desk)

    with pytest.raises(TooManyRequests):
        begin(desk)

    assert len(desk.jobs(Name.DISPATCH_CODE)) == 5


def test_the_right_code_proves_the_contact(desk: Desk) -> None:
    proof_id = begin(desk)

    assert judge(desk, proof_id, right=True) is None
    assert of(desk, proof_id).verified_at == NOW + MINUTE


def test_the_right_code_again_gets_the_answer_it_had(desk: Desk) -> None:
    proof_id = begin(desk)
    judge(desk, proof_id, right=True)

    assert judge(desk, proof_id, right=True, at=NOW + 2 * MINUTE) is None
    assert of(desk, proof_id).verified_at == NOW + MINUTE


def test_a_wrong_code_after_the_proof_is_wrong_and_counted(desk: Desk) -> None:
    proof_id = begin(desk)
    judge(desk, proof_id, right=True)

    refusals = [judge(desk, proof_id, right=False) for _ in range(5)]

    assert [type(refusal) for refusal in refusals] == [CodeWrong] * 4 + [CodeExhausted]


def test_a_wrong_code_says_how_many_tries_are_left(desk: Desk) -> None:
    proof_id = begin(desk)

    refusal = judge(desk, proof_id, right=False)

    assert isinstance(refusal, CodeWrong)
    assert refusal.facts["attempts_left"] == 4


def test_five_wrong_codes_end_a_proof_even_for_the_right_one(desk: Desk) -> None:
    proof_id = begin(desk)

    refusals = [judge(desk, proof_id, right=False) for _ in range(5)]

    assert [type(refusal) for refusal in refusals] == [CodeWrong] * 4 + [CodeExhausted]
    assert isinstance(judge(desk, proof_id, right=True), CodeExhausted)


def test_guesses_at_once_do_not_share_a_count(desk: Desk) -> None:
    proof_id = begin(desk)

    at_once(*[lambda: judge(desk, proof_id, right=False)] * 8)

    assert of(desk, proof_id).attempts == 5


def test_a_code_at_the_end_of_its_life_proves_nothing(desk: Desk) -> None:
    proof_id = begin(desk)
    ends = of(desk, proof_id).expires_at

    assert isinstance(judge(desk, proof_id, right=True, at=ends), HoldEnded)
    assert judge(desk, proof_id, right=True, at=ends - MOMENT) is None


@sqlite_only
def test_many_codes_do_not_make_many_tries(desk: Desk) -> None:
    """Fault 21: five tries a code, and as many codes as one likes."""
    for place in range(2):
        proof_id = begin(desk, at=NOW + place * MINUTE)
        for _ in range(5):
            judge(desk, proof_id, right=False, at=NOW + place * MINUTE)

    third = begin(desk, at=NOW + 3 * MINUTE)

    assert isinstance(judge(desk, third, right=True, at=NOW + 4 * MINUTE), TooManyRequests)
    assert of(desk, third).attempts == 0


@sqlite_only
def test_tries_at_a_booking_count_against_the_contact_too(desk: Desk) -> None:
    booking_id = desk.hold(customer_ip=NETWORK)
    for _ in range(5):
        desk.enter(booking_id, desk.wrong_code(booking_id))
    proof_id = begin(desk)
    for _ in range(5):
        judge(desk, proof_id, right=False)

    another = begin(desk, at=NOW + 2 * MINUTE)

    assert isinstance(judge(desk, another, right=True, at=NOW + 3 * MINUTE), TooManyRequests)


@sqlite_only
def test_ten_wrong_codes_of_a_stranger_keep_nobody_from_entering_their_own(desk: Desk) -> None:
    for _ in range(2):
        guessed = begin(desk, network="198.51.100.7")
        for _ in range(5):
            judge(desk, guessed, right=False)

    theirs = begin(desk, at=NOW + 2 * MINUTE)

    assert judge(desk, theirs, right=True, at=NOW + 3 * MINUTE) is None


@sqlite_only
def test_a_code_that_is_sent_again_is_owed_as_another_message(desk: Desk) -> None:
    proof_id = begin(desk)

    send_again(desk, proof_id, at=NOW + MINUTE)

    assert [job.args["number"] for job in desk.jobs(Name.DISPATCH_CODE)] == [1, 2]


@sqlite_only
def test_sending_again_keeps_the_cool_down_and_the_number_of_times(desk: Desk) -> None:
    proof_id = begin(desk)

    with pytest.raises(ResendTooSoon):
        send_again(desk, proof_id, at=NOW + MINUTE - MOMENT)
    for step in (1, 2, 3):
        send_again(desk, proof_id, at=NOW + step * MINUTE)
    with pytest.raises(ResendTooOften):
        send_again(desk, proof_id, at=NOW + 4 * MINUTE)


@sqlite_only
def test_sending_again_counts_against_the_contact(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    proofs = [begin(desk) for _ in range(5)]

    with pytest.raises(TooManyRequests):
        send_again(desk, proofs[0], at=NOW + MINUTE)

    assert of(desk, proofs[0]).sends == 1


@sqlite_only
def test_a_code_that_is_entered_counts_for_its_prefix(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[UUID] = []
    monkeypatch.setattr(guards, "entered", lambda _, proof, *, now: heard.append(proof.id))  # noqa: ARG005 - its form
    proof_id = begin(desk)

    judge(desk, proof_id, right=False)
    judge(desk, proof_id, right=True)
    judge(desk, proof_id, right=True)

    assert heard == [proof_id]
