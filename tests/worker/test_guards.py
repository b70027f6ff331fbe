"""Caps on codes: per contact, network, caller and prefix, over all codes, and shared by all processes."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from models.customer import Channel
from models.errors import TooManyRequests
from models.limit import Cap
from models.verification import Purpose, Verification
from tests.worker.desk import MINUTE, MOMENT, NOW, at_once, phone
from worker import guards
from worker.customers import Contact
from worker.database import Database
from worker.guards import Asker
from worker.settings import settings

ROOT = Path(__file__).parents[2]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ASKING = """
import sys
from datetime import datetime
from models.errors import TooManyRequests
from worker import guards
from worker.database import database
admitted = 0
for _ in range(5):
    try:
        with database().transaction() as session:
            guards.admit_send(session, guards.Asker("contact", None, None, "caller"), now=datetime.fromisoformat(sys.argv[1]))
        admitted += 1
    except TooManyRequests:
        pass
print(admitted)
"""  # noqa: E501 - a program, not prose


def asker(
    contact: str = "contact", *, prefix: str | None = None, network: str | None = None, caller: str = "pages"
) -> Asker:
    return Asker(contact, prefix, network, caller)


def proof(
    number: int = 1, *, contact: str = "contact", prefix: str | None = None, network: str | None = None
) -> Verification:
    return Verification.begin(
        now=NOW,
        life=10 * MINUTE,
        cap=20 * MINUTE,
        id=UUID(int=number),
        purpose=Purpose.ALONE,
        contact_digest=contact,
        prefix_digest=prefix,
        network_digest=network,
    )


def refused(database: Database, who: Asker, *, at: datetime = NOW) -> TooManyRequests | None:
    """Ask for one code; return the refusal."""
    try:
        with database.transaction() as session:
            guards.admit_send(session, who, now=at)
    except TooManyRequests as refusal:
        return refusal
    return None


def send_and_convert(database: Database, *, sent: int, entered: int, prefix: str = "prefix") -> None:
    with database.transaction() as session:
        for place in range(sent):
            if place < entered:
                guards.entered(session, proof(prefix=prefix), now=NOW)
            guards.sent(session, proof(prefix=prefix), now=NOW)


def fail(database: Database, times: int, *, at: datetime = NOW, **whose: str) -> None:
    for _ in range(times):
        with database.transaction() as session:
            guards.failed(session, proof(1, **whose), now=at)


def may_try(database: Database, *, at: datetime = NOW, **whose: str) -> bool:
    try:
        with database.transaction() as session:
            guards.admit_try(session, proof(1, **whose), now=at)
    except TooManyRequests:
        return False
    return True


# Codes sent


def test_five_codes_go_to_a_contact_in_ten_minutes_and_no_sixth(database: Database) -> None:
    answers = [refused(database, asker(), at=NOW + step * MINUTE) for step in range(6)]

    assert [answer is None for answer in answers] == [True] * 5 + [False]


def test_who_is_refused_is_told_when_the_window_ends(database: Database) -> None:
    for _ in range(5):
        refused(database, asker())

    refusal = refused(database, asker(), at=NOW + MINUTE)

    assert refusal is not None
    assert refusal.facts["retry_at"] == NOW + 10 * MINUTE


def test_after_ten_minutes_the_contact_may_have_more(database: Database) -> None:
    for _ in range(5):
        refused(database, asker())

    assert refused(database, asker(), at=NOW + 10 * MINUTE - MOMENT) is not None
    assert refused(database, asker(), at=NOW + 10 * MINUTE) is None


def test_ten_codes_go_to_a_contact_in_a_day_however_they_are_spread(database: Database) -> None:
    answers = [refused(database, asker(), at=NOW + step * HOUR) for step in range(11)]

    assert [answer is None for answer in answers] == [True] * 10 + [False]


def test_being_refused_costs_nothing_further(database: Database) -> None:
    for _ in range(30):
        refused(database, asker())

    assert [refused(database, asker(), at=NOW + 10 * MINUTE) for _ in range(5)] == [None] * 5


@pytest.mark.parametrize(
    ("what", "who"),
    [
        ("contact", asker("contact")),
        ("network", asker("another", network="network")),
        ("caller", asker("another", caller="key")),
        ("prefix", asker("another", prefix="prefix")),
        ("shop", Asker("another", None, None, "pages", "fred")),
    ],
)
def test_each_thing_that_is_counted_by_has_a_cap(
    database: Database, monkeypatch: pytest.MonkeyPatch, what: str, who: Asker
) -> None:
    monkeypatch.setattr(guards, "SENDS", {what: (Cap(2, HOUR),)})

    answers = [refused(database, who) for _ in range(3)]

    assert [answer is None for answer in answers] == [True, True, False]


def test_one_contact_does_not_use_up_anothers_codes(database: Database) -> None:
    for _ in range(6):
        refused(database, asker("one"))

    assert refused(database, asker("other")) is None


def test_two_askers_at_once_do_not_share_a_count(database: Database) -> None:
    answers = at_once(*[lambda: refused(database, asker())] * 8)

    assert answers.count(None) == 5


def test_several_processes_share_a_count(database: Database, database_url: str) -> None:
    environment = {"PATH": os.environ["PATH"], "ENVIRONMENT": "test", "DATABASE_URL": database_url}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", ASKING, NOW.isoformat()],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]

    admitted = [int(process.communicate(timeout=60)[0]) for process in processes]

    assert sum(admitted) == 5


def test_a_code_that_is_sent_again_counts_like_any_other(database: Database) -> None:
    with database.transaction() as session:
        for _ in range(5):
            guards.admit_resend(session, proof(), now=NOW)

    assert refused(database, asker()) is not None


# Who asks


def test_a_prefix_is_that_of_a_real_number(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TEST_NUMBERS", "")

    one = Asker.of(Contact(Channel.SMS, phone(12)), network="192.0.2.1", caller="pages")
    neighbour = Asker.of(Contact(Channel.SMS, phone(9012)), network=None, caller="pages")
    stranger = Asker.of(Contact(Channel.SMS, phone(12).replace("+8190", "+8180")), network=None, caller="pages")

    assert one.prefix is not None
    assert one.prefix == neighbour.prefix != stranger.prefix


@pytest.mark.parametrize(
    "contact",
    [Contact(Channel.MAIL, "hanako@example.jp"), Contact(Channel.SMS, phone(12))],
    ids=["mail", "test number"],
)
def test_mail_and_test_numbers_have_no_prefix(environment: pytest.MonkeyPatch, contact: Contact) -> None:
    assert Asker.of(contact, network=None, caller="pages").prefix is None


def test_all_addresses_of_one_subscriber_are_counted_together() -> None:
    contact = Contact(Channel.SMS, phone(12))

    one, other = (Asker.of(contact, network=f"2001:db8:1:2::{end}", caller="pages") for end in "ab")

    assert one.network == other.network


def test_who_asks_is_kept_as_digests(environment: pytest.MonkeyPatch) -> None:
    who = Asker.of(Contact(Channel.SMS, phone(12)), network="192.0.2.1", caller="pages")

    assert phone(12).removeprefix("+") not in repr(who)
    assert "192.0.2.1" not in repr(who)


# Toll fraud


def test_a_prefix_whose_codes_nobody_enters_is_blocked(database: Database) -> None:
    send_and_convert(database, sent=20, entered=3)

    assert refused(database, asker(prefix="prefix")) is not None


@pytest.mark.parametrize(
    ("sent", "entered"), [(19, 0), (20, 4), (40, 20)], ids=["too few to say", "one in five", "half of them"]
)
def test_a_prefix_whose_codes_are_entered_is_not_blocked(database: Database, sent: int, entered: int) -> None:
    send_and_convert(database, sent=sent, entered=entered)

    assert refused(database, asker(prefix="prefix")) is None


def test_one_prefix_is_blocked_and_no_other(database: Database) -> None:
    send_and_convert(database, sent=20, entered=0)

    assert refused(database, asker(prefix="another")) is None
    assert refused(database, asker(prefix=None)) is None


def test_a_blocked_prefix_is_free_again_after_twelve_hours(database: Database) -> None:
    send_and_convert(database, sent=20, entered=0)

    assert refused(database, asker(prefix="prefix"), at=NOW + timedelta(hours=12) - MOMENT) is not None
    assert refused(database, asker(prefix="prefix"), at=NOW + timedelta(hours=12)) is None


def test_a_prefix_that_a_vendor_takes_for_fraud_is_blocked_at_once(
    database: Database, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("TEST_NUMBERS", "")
    settings.cache_clear()
    with database.transaction() as session:
        guards.block_prefix(session, Contact(Channel.SMS, phone(12)), now=NOW)

    alike = Asker.of(Contact(Channel.SMS, phone(9012)), network=None, caller="pages")
    elsewhere = Asker.of(Contact(Channel.SMS, phone(12).replace("+8190", "+8180")), network=None, caller="pages")
    assert refused(database, alike, at=NOW + 12 * HOUR - MOMENT) is not None
    assert refused(database, elsewhere) is None
    assert refused(database, alike, at=NOW + 12 * HOUR) is None


@pytest.mark.parametrize("contact", [Contact(Channel.SMS, phone(12)), Contact(Channel.MAIL, "hanako@example.jp")])
def test_what_has_no_prefix_blocks_none(database: Database, contact: Contact) -> None:
    with database.transaction() as session:
        guards.block_prefix(session, contact, now=NOW)

    assert refused(database, Asker.of(contact, network=None, caller="pages")) is None


def test_who_is_blocked_cannot_tell_it_from_a_cap(database: Database) -> None:
    send_and_convert(database, sent=20, entered=0)
    for _ in range(5):
        refused(database, asker("capped"))

    blocked, capped = refused(database, asker("fresh", prefix="prefix")), refused(database, asker("capped"))

    assert blocked is not None
    assert capped is not None
    assert (type(blocked), set(blocked.facts)) == (type(capped), set(capped.facts))


def test_codes_by_mail_block_no_prefix(database: Database) -> None:
    with database.transaction() as session:
        for _ in range(40):
            guards.sent(session, proof(prefix=None), now=NOW)

    assert refused(database, asker()) is None


# Codes tried


def test_ten_wrong_codes_an_hour_are_the_end_for_a_contact_over_all_its_codes(database: Database) -> None:
    """Fault 21: five tries a code, and as many codes as one likes."""
    fail(database, 9)
    before = may_try(database)

    fail(database, 1)

    assert before
    assert not may_try(database)


def test_a_strangers_wrong_codes_leave_whoever_has_the_number_their_own_tries(database: Database) -> None:
    """Fault 21: or anybody can lock a number out, at every shop."""
    fail(database, 10, network="stranger's")

    assert may_try(database, network="theirs")
    assert not may_try(database, network="stranger's")


def test_not_even_many_networks_guess_without_end(database: Database) -> None:
    for number in range(10):
        fail(database, 10, network=f"network {number}")

    assert not may_try(database, network="yet another")
    assert may_try(database, at=NOW + DAY, network="yet another")


def test_after_the_hour_it_may_be_tried_again(database: Database) -> None:
    fail(database, 10)

    assert not may_try(database, at=NOW + HOUR - MOMENT)
    assert may_try(database, at=NOW + HOUR)


def test_twenty_wrong_codes_a_day_are_the_end_however_they_are_spread(database: Database) -> None:
    for step in range(4):
        fail(database, 5, at=NOW + step * 2 * HOUR)

    assert not may_try(database, at=NOW + 23 * HOUR)
    assert may_try(database, at=NOW + DAY)


def test_wrong_codes_for_one_contact_are_not_held_against_another(database: Database) -> None:
    fail(database, 10, contact="one")

    assert may_try(database, contact="other")
