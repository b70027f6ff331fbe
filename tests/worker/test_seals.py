"""Seals: what is sealed opens in its own place only, until its subject's key is deleted."""

import base64
import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from models.customer import Channel, Customer, DataKey
from worker import seals
from worker.clock import system_now
from worker.database import Database
from worker.embedded import PostgresServer
from worker.seals import Place, Shredded, Tampered, WrappingKeyMissing
from worker.settings import settings

SUBJECT, OTHER = UUID(int=1), UUID(int=2)
PLACE = Place(subject=SUBJECT, table="customers", column="sealed_contact", row=UUID(int=10))
TEXT = "+819000001234"
OLD_SECRET, NEW_SECRET = "old-" * 8, "new-" * 8


def ring(*names: str) -> str:
    return ",".join(f"{name}:{base64.b64encode(name.encode() * 32).decode()}" for name in names)


@pytest.fixture(autouse=True)
def keys(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("SECRET_KEY", OLD_SECRET)
    environment.setenv("SEAL_KEYS", ring("a"))


def turn_ring_to(environment: pytest.MonkeyPatch, *names: str) -> None:
    environment.setenv("SEAL_KEYS", ring(*names))
    settings.cache_clear()


def sealed_in(database: Database, place: Place = PLACE, text: str = TEXT) -> bytes:
    with database.transaction() as session:
        return seals.seal(session, place, text)


def opened_in(database: Database, sealed: bytes, place: Place = PLACE) -> str:
    with database.snapshot() as session:
        return seals.unseal(session, place, sealed)


def key_count(database: Database) -> int:
    with database.snapshot() as session:
        return session.scalar(select(func.count()).select_from(DataKey)) or 0


@pytest.mark.parametrize("text", [TEXT, "", "山田様 🙂", "x" * 10_000])
def test_what_was_sealed_opens_again(database: Database, text: str) -> None:
    sealed = sealed_in(database, text=text)

    assert opened_in(database, sealed) == text


def test_the_sealed_value_does_not_show_the_text(database: Database) -> None:
    assert TEXT.encode() not in sealed_in(database)


def test_equal_texts_do_not_look_equal(database: Database) -> None:
    assert sealed_in(database) != sealed_in(database)


def test_a_subject_has_one_key_for_all_its_values(database: Database) -> None:
    sealed_in(database)
    sealed_in(database, dataclasses.replace(PLACE, column="sealed_name"))

    assert key_count(database) == 1


@pytest.mark.parametrize(
    "elsewhere",
    [
        dataclasses.replace(PLACE, row=UUID(int=11)),
        dataclasses.replace(PLACE, column="sealed_name"),
        dataclasses.replace(PLACE, table="bookings"),
        # A table and a column that read the same when they are simply put together.
        dataclasses.replace(PLACE, table="customerss", column="ealed_contact"),
    ],
)
def test_a_value_moved_to_another_place_does_not_open(database: Database, elsewhere: Place) -> None:
    sealed = sealed_in(database)

    with pytest.raises(Tampered):
        opened_in(database, sealed, elsewhere)


def test_a_value_moved_to_another_subject_does_not_open(database: Database) -> None:
    sealed = sealed_in(database)
    elsewhere = dataclasses.replace(PLACE, subject=OTHER)
    sealed_in(database, elsewhere)

    with pytest.raises(Tampered):
        opened_in(database, sealed, elsewhere)


def test_the_values_of_two_rows_that_were_swapped_do_not_open(database: Database) -> None:
    here, there = PLACE, dataclasses.replace(PLACE, row=UUID(int=11))
    of_here, of_there = sealed_in(database, here), sealed_in(database, there)

    for place, swapped in ((here, of_there), (there, of_here)):
        with pytest.raises(Tampered):
            opened_in(database, swapped, place)


@pytest.mark.parametrize("place", [0, 1, 12, 13, -1])
def test_a_value_with_one_byte_changed_does_not_open(database: Database, place: int) -> None:
    sealed = bytearray(sealed_in(database))
    sealed[place] ^= 1

    with pytest.raises(Tampered):
        opened_in(database, bytes(sealed))


@pytest.mark.parametrize("junk", [b"", b"\x01", b"\x01" + bytes(12), b"\x01" + bytes(20), bytes(60), TEXT.encode()])
def test_what_was_never_sealed_does_not_open(database: Database, junk: bytes) -> None:
    sealed_in(database)

    with pytest.raises(Tampered):
        opened_in(database, junk)


def test_a_shredded_subject_cannot_be_read_any_more(database: Database) -> None:
    sealed = sealed_in(database)
    with database.transaction() as session:
        assert seals.shred(session, SUBJECT)

    with pytest.raises(Shredded):
        opened_in(database, sealed)


def test_shredding_says_whether_there_was_anything_left(database: Database) -> None:
    sealed_in(database)

    with database.transaction() as session:
        assert [seals.shred(session, SUBJECT), seals.shred(session, SUBJECT)] == [True, False]


def test_shredding_one_subject_leaves_the_others_readable(database: Database) -> None:
    elsewhere = dataclasses.replace(PLACE, subject=OTHER)
    sealed = sealed_in(database, elsewhere)
    sealed_in(database)

    with database.transaction() as session:
        seals.shred(session, SUBJECT)

    assert opened_in(database, sealed, elsewhere) == TEXT


def test_a_value_from_before_the_shredding_stays_unreadable_when_the_subject_gets_a_new_key(database: Database) -> None:
    sealed = sealed_in(database)
    with database.transaction() as session:
        seals.shred(session, SUBJECT)
    sealed_in(database)

    with pytest.raises(Tampered):
        opened_in(database, sealed)


def test_many_who_seal_for_a_new_subject_at_once_all_use_the_same_key(database: Database) -> None:
    together = threading.Barrier(8)

    def seal_together(row: int) -> tuple[Place, bytes]:
        place = dataclasses.replace(PLACE, row=UUID(int=row))
        together.wait()
        return place, sealed_in(database, place, str(row))

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(seal_together, range(8)))

    assert key_count(database) == 1
    assert [opened_in(database, sealed, place) for place, sealed in made] == [str(row) for row in range(8)]


def test_sealing_does_not_write_a_row_that_its_caller_has_not_finished(database: Database) -> None:
    with database.transaction() as session:
        customer = Customer(
            id=SUBJECT, shop_id="vicky", channel=Channel.SMS, contact_index="0" * 64, created_at=system_now()
        )
        session.add(customer)

        sealed = seals.seal(session, PLACE, TEXT)

        assert customer in session.new
        assert seals.unseal(session, PLACE, sealed) == TEXT
        session.expunge(customer)


def test_a_key_that_was_rolled_back_with_its_savepoint_is_made_anew(database: Database) -> None:
    with database.transaction() as session:
        savepoint = session.begin_nested()
        seals.seal(session, PLACE, TEXT)
        savepoint.rollback()
        sealed = seals.seal(session, PLACE, TEXT)

    assert opened_in(database, sealed) == TEXT


def test_an_error_shows_neither_text_nor_key(database: Database) -> None:
    sealed = sealed_in(database)

    with pytest.raises(Tampered) as caught:
        opened_in(database, sealed, dataclasses.replace(PLACE, row=UUID(int=11)))

    assert TEXT not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_the_data_key_is_not_stored_as_it_is(database: Database) -> None:
    sealed_in(database)
    with database.snapshot() as session:
        row = session.get_one(DataKey, SUBJECT)
        key = seals._key(session, SUBJECT)

        assert key is not None
        assert key not in row.wrapped


def test_a_wrapped_key_moved_to_another_subject_does_not_open(database: Database) -> None:
    sealed_in(database)
    elsewhere = dataclasses.replace(PLACE, subject=OTHER)
    sealed = sealed_in(database, elsewhere)
    with database.transaction() as session:
        foreign = session.get_one(DataKey, SUBJECT).wrapped
        session.execute(update(DataKey).where(DataKey.subject_id == OTHER).values(wrapped=foreign))

    with pytest.raises(Tampered):
        opened_in(database, sealed, elsewhere)


def test_a_new_wrapping_key_in_front_leaves_everything_readable(
    database: Database, environment: pytest.MonkeyPatch
) -> None:
    sealed = sealed_in(database)
    turn_ring_to(environment, "b", "a")

    assert opened_in(database, sealed) == TEXT


def test_after_rewrapping_the_old_wrapping_key_can_go(database: Database, environment: pytest.MonkeyPatch) -> None:
    sealed = sealed_in(database)
    turn_ring_to(environment, "b", "a")
    with database.transaction() as session:
        assert seals.rewrap(session, 100) == 1
    turn_ring_to(environment, "b")

    assert opened_in(database, sealed) == TEXT


def test_rewrapping_goes_in_batches_until_nothing_is_left(database: Database, environment: pytest.MonkeyPatch) -> None:
    for number in range(5):
        sealed_in(database, dataclasses.replace(PLACE, subject=UUID(int=number)))
    turn_ring_to(environment, "b", "a")

    done = []
    for _ in range(4):
        with database.transaction() as session:
            done.append(seals.rewrap(session, 2))

    assert done == [2, 2, 1, 0]


def test_without_the_wrapping_key_nothing_opens_and_the_error_names_it(
    database: Database, environment: pytest.MonkeyPatch
) -> None:
    sealed = sealed_in(database)
    turn_ring_to(environment, "b")

    with pytest.raises(WrappingKeyMissing, match="named a"):
        opened_in(database, sealed)


def test_a_key_whose_wrapping_key_is_missing_does_not_stop_the_rewrapping_of_others(
    database: Database, environment: pytest.MonkeyPatch
) -> None:
    sealed_in(database)
    turn_ring_to(environment, "b")
    sealed_in(database, dataclasses.replace(PLACE, subject=OTHER))
    turn_ring_to(environment, "c", "b")

    with database.transaction() as session:
        assert seals.rewrap(session, 100) == 1


@pytest.mark.parametrize(
    "broken", ["", "a", "a:", ":" + "A" * 43 + "=", "a:AAAA", "a:" + "あ" * 44, ring("a", "a"), ring("a") + ","]
)
def test_a_broken_ring_of_keys_stops_the_process_without_showing_itself(
    environment: pytest.MonkeyPatch, broken: str
) -> None:
    environment.setenv("SEAL_KEYS", broken)
    settings.cache_clear()

    with pytest.raises(ValueError, match="SEAL_KEYS: key") as caught:
        settings()

    assert "AAAA" not in str(caught.value)


@pytest.mark.usefixtures("keys_database")
class TestWithAKeysDatabase:
    """Data keys in a database of their own."""

    @pytest.fixture(params=["sqlite", "postgresql"])
    def keys_database(
        self, request: pytest.FixtureRequest, environment: pytest.MonkeyPatch, tmp_path: Path
    ) -> Iterator[Database]:
        server: PostgresServer | None = None
        name = "keys_" + "".join(letter if letter.isalnum() else "_" for letter in tmp_path.name.lower())[-40:]
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path}/keys.db"
        else:
            server = request.getfixturevalue("postgres")
            url = server.create_database(name)
        environment.setenv("KEYS_DATABASE_URL", url)
        settings.cache_clear()
        yield seals._opened_at(url)
        seals._opened_at(url).dispose()
        if server is not None:
            server.drop_database(name)

    def test_the_key_lives_there_and_not_here(self, database: Database, keys_database: Database) -> None:
        sealed = sealed_in(database)

        assert (key_count(database), key_count(keys_database)) == (0, 1)
        assert opened_in(database, sealed) == TEXT

    def test_the_key_is_there_before_the_value_is_committed(self, database: Database, keys_database: Database) -> None:
        with database.transaction() as session:
            seals.seal(session, PLACE, TEXT)

            assert key_count(keys_database) == 1

    def test_shredding_holds_whatever_becomes_of_the_callers_transaction(self, database: Database) -> None:
        sealed = sealed_in(database)
        with database.snapshot() as session:  # which is rolled back
            assert seals.shred(session, SUBJECT)

        with pytest.raises(Shredded):
            opened_in(database, sealed)

    def test_rewrapping_works_there(self, database: Database, environment: pytest.MonkeyPatch) -> None:
        sealed = sealed_in(database)
        turn_ring_to(environment, "b", "a")
        with database.transaction() as session:
            assert seals.rewrap(session, 100) == 1
        turn_ring_to(environment, "b")

        assert opened_in(database, sealed) == TEXT


@pytest.mark.parametrize("same", [True, False])
def test_a_keys_database_that_is_empty_or_the_same_is_none(
    database: Database, database_url: str, environment: pytest.MonkeyPatch, same: bool
) -> None:
    environment.setenv("KEYS_DATABASE_URL", database_url if same else "")
    settings.cache_clear()

    assert seals.keys_database() is None


def test_our_own_seal_opens_in_its_context() -> None:
    sealed = seals.seal_for_ourselves("answers", "row 1", TEXT)

    assert TEXT.encode() not in sealed
    assert seals.unseal_for_ourselves("answers", "row 1", sealed) == TEXT


@pytest.mark.parametrize(("label", "context"), [("answers", "row 2"), ("other", "row 1")])
def test_our_own_seal_does_not_open_elsewhere(label: str, context: str) -> None:
    sealed = seals.seal_for_ourselves("answers", "row 1", TEXT)

    with pytest.raises(Tampered):
        seals.unseal_for_ourselves(label, context, sealed)


def test_our_own_seal_opens_during_a_rotation_of_the_secret(environment: pytest.MonkeyPatch) -> None:
    sealed = seals.seal_for_ourselves("answers", "row 1", TEXT)
    environment.setenv("SECRET_KEY", NEW_SECRET)
    environment.setenv("SECRET_KEY_PREVIOUS", OLD_SECRET)
    settings.cache_clear()

    assert seals.unseal_for_ourselves("answers", "row 1", sealed) == TEXT


def test_our_own_seal_does_not_open_when_the_rotation_is_over(environment: pytest.MonkeyPatch) -> None:
    sealed = seals.seal_for_ourselves("answers", "row 1", TEXT)
    environment.setenv("SECRET_KEY", NEW_SECRET)
    settings.cache_clear()

    with pytest.raises(Tampered):
        seals.unseal_for_ourselves("answers", "row 1", sealed)
