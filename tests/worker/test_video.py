"""The video port: both sides of one call meet in a room that nobody else can guess."""

from uuid import UUID

import pytest

from models.booking import Side
from models.terms import TermsDocument
from worker.settings import settings
from worker.shops_seed import seed_rows
from worker.video import video_provider

CALL_ID = UUID("0192f3a0-1111-7222-8333-444455556666")


@pytest.fixture(autouse=True)
def video_server(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("VIDEO_URL", "https://video.example.jp/")


def test_both_sides_enter_the_same_room() -> None:
    customer = video_provider().room_url(CALL_ID, 1, Side.CUSTOMER)

    assert customer == video_provider().room_url(CALL_ID, 1, Side.STAFF)


def test_a_changed_booking_gets_another_room() -> None:
    assert video_provider().room_url(CALL_ID, 1, Side.STAFF) != video_provider().room_url(CALL_ID, 2, Side.STAFF)


def test_the_room_cannot_be_told_from_the_booking_without_the_secret(environment: pytest.MonkeyPatch) -> None:
    before = video_provider().room_url(CALL_ID, 1, Side.STAFF)
    environment.setenv("SECRET_KEY", "another-" * 4)
    settings.cache_clear()

    assert video_provider().room_url(CALL_ID, 1, Side.STAFF) != before


def test_the_room_does_not_show_the_booking_and_is_one_plain_path() -> None:
    url = video_provider().room_url(CALL_ID, 1, Side.CUSTOMER)
    room = url.removeprefix("https://video.example.jp/toritsugi-")

    assert CALL_ID.hex not in url
    assert len(room) == 32
    assert room.isalnum()
    assert room == room.lower()


def test_the_providers_own_terms_are_among_the_documents() -> None:
    provider = video_provider()
    documents = [row for row in seed_rows() if isinstance(row, TermsDocument)]

    assert [document.id for document in documents if document.provider == provider.name] == [provider.terms_document_id]
