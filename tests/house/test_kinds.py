"""Holds every kind of message to a nature, to words, and to somebody who sends it.

That the words of both languages agree, and fit, is for tests/worker/test_wording.py.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from models.customer import Channel
from models.job import Queue
from models.message import CODES, NATURES, Kind, WhenUnknown
from worker.wording import CASE_KINDS, FOLDER, KINDS, LANGUAGES, channels

ROOT = Path(__file__).parents[2]
CASES = sorted((ROOT / "worker" / "cases").glob("*.py"))
# That file words what the others owe: it names a kind without sending it.
SENDERS = [
    *(ROOT / "tasks").glob("*.py"),
    ROOT / "worker" / "settling.py",
    ROOT / "worker" / "inquiries.py",
    ROOT / "worker" / "people" / "looking.py",
    *(path for path in CASES if path.name != "noticing.py"),
]
"""Who owes messages: the tasks, what tells a shop that its customer cannot be reached, inquiries, operators, cases."""


def kinds_named_in(text: str) -> Iterator[str]:
    """Return the members of `Kind` that a file's code names."""
    for node in ast.walk(ast.parse(text)):
        match node:
            case ast.Attribute(value=ast.Name(id="Kind"), attr=member):
                yield member
            case _:
                pass


def missing_words(folder: Path, kind: str) -> list[str]:
    """Return the files that a kind should have and does not."""
    files = [f"{channel.value}.{language}.txt" for channel in channels(kind) for language in LANGUAGES]
    return [f"{kind}/{file}" for file in files if not (folder / kind / file).is_file()]


def test_every_kind_has_a_nature() -> None:
    assert set(NATURES) == set(Kind)


def test_every_kind_has_words_in_every_language() -> None:
    assert set(KINDS) == set(Kind)
    assert [file for kind in Kind for file in missing_words(FOLDER, kind)] == []


def test_every_kind_is_sent_by_somebody() -> None:
    sent = {member for path in SENDERS for member in kinds_named_in(path.read_text())}

    assert sent == set(Kind.__members__)


def test_codes_alone_are_delivered_on_the_queue_of_codes() -> None:
    assert {kind for kind, nature in NATURES.items() if nature.queue is Queue.CODES} == CODES


def test_what_can_be_asked_for_again_is_a_code_or_the_link_that_proves_an_address() -> None:
    asked_again = {kind for kind, nature in NATURES.items() if nature.when_unknown is WhenUnknown.ASK_AGAIN}

    assert asked_again == CODES | {Kind.CASE_CONFIRM_ADDRESS}


def test_what_is_said_of_a_booking_to_its_customer_is_bound_to_its_state() -> None:
    to_customers = {kind for kind in Kind if kind.startswith("booking_")}

    assert [kind for kind in to_customers if NATURES[kind].true_while is None] == []


def test_what_is_said_of_a_case_goes_by_mail_on_the_queue_of_cases() -> None:
    of_cases = {kind for kind in Kind if kind.startswith("case_")}

    assert set(CASE_KINDS) == of_cases
    assert {channel for kind in of_cases for channel in channels(kind)} == {Channel.MAIL}
    assert {NATURES[kind].queue for kind in of_cases} == {Queue.DISCLOSURE}


# The readers are shown what they must catch.


def test_a_kind_without_words_is_found(tmp_path: Path) -> None:
    (tmp_path / "shop_day_list").mkdir()
    (tmp_path / "shop_day_list" / "mail.ja.txt").write_text("件名\n\n本文")

    assert missing_words(tmp_path, "shop_day_list") == ["shop_day_list/mail.en.txt"]


def test_only_code_counts_as_sending_and_no_comment_does() -> None:
    assert list(kinds_named_in('"""Kind.SHOP_DAY_LIST"""\ntell(Kind.BOOKING_CODE)  # Kind.BOOKING_CHANGED')) == [
        "BOOKING_CODE"
    ]
