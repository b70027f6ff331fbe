"""The video port and both kinds of Jitsi: a room that nobody can guess, and entries that end with the call."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import jwt
import pytest
from pydantic import ValidationError

from models.booking import Side
from models.terms import TermsDocument
from worker import video
from worker.settings import Environment, Settings, VideoChoice, settings
from worker.shops_seed import seed_rows
from worker.video import provider_named, video_provider
from worker.video.rooms import room_name

CALL_ID = UUID("0192f3a0-1111-7222-8333-444455556666")
NOW = datetime(2030, 6, 6, 4, 55, tzinfo=UTC)
CLOSES_AT = NOW + timedelta(minutes=50)
APP_SECRET = "a secret that our own Jitsi server shares with us"


@pytest.fixture(autouse=True)
def video_server(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("VIDEO_URL", "https://video.example.jp/")


@pytest.fixture
def own_server(environment: pytest.MonkeyPatch) -> None:
    """Our own Jitsi server, which wants a token."""
    environment.setenv("VIDEO_PROVIDER", "jitsi-jwt")
    environment.setenv("JITSI_APP_ID", "toritsugi")
    environment.setenv("JITSI_APP_SECRET", APP_SECRET)


def entry(side: Side, *, revision: int = 1) -> str:
    return video_provider().entry_url(room_name(CALL_ID, revision), side, closes_at=CLOSES_AT, now=NOW)


def token_of(side: Side) -> dict[str, object]:
    """Return the claims of a side's entry, its signature checked as the server checks it; the present is not ours."""
    [token] = parse_qs(urlsplit(entry(side)).query)["jwt"]
    return dict(jwt.decode(token, APP_SECRET, algorithms=["HS256"], audience="jitsi", options={"verify_exp": False}))


def test_both_sides_enter_the_same_room() -> None:
    assert entry(Side.CUSTOMER) == entry(Side.STAFF)


@pytest.mark.parametrize("choice", [VideoChoice.JITSI, VideoChoice.JITSI_JWT])
def test_a_jitsi_server_cannot_tell_who_is_in_a_room(own_server: None, choice: VideoChoice) -> None:
    assert provider_named(choice).who_is_in(room_name(CALL_ID, 1), now=NOW) is None


def test_a_changed_booking_gets_another_room() -> None:
    assert entry(Side.STAFF, revision=1) != entry(Side.STAFF, revision=2)


def test_the_room_cannot_be_told_from_the_booking_without_the_secret(environment: pytest.MonkeyPatch) -> None:
    before = room_name(CALL_ID, 1)
    environment.setenv("SECRET_KEY", "another-" * 4)
    settings.cache_clear()

    assert room_name(CALL_ID, 1) != before


def test_the_room_does_not_show_the_booking_and_is_one_plain_path() -> None:
    url = entry(Side.CUSTOMER)
    room = url.removeprefix("https://video.example.jp/toritsugi-")

    assert CALL_ID.hex not in url
    assert len(room) == 32
    assert room.isalnum()
    assert room == room.lower()


@pytest.mark.parametrize("choice", VideoChoice)
def test_the_providers_own_terms_are_among_the_documents(choice: VideoChoice, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("JITSI_APP_ID", "toritsugi")
    environment.setenv("JITSI_APP_SECRET", APP_SECRET)
    provider = provider_named(choice)
    documents = [row for row in seed_rows() if isinstance(row, TermsDocument)]

    assert provider.name == choice
    assert [document.id for document in documents if document.provider == provider.name] == [provider.terms_document_id]


def test_in_production_the_sandboxs_secret_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    real = settings().model_copy(update={"environment": Environment.PRODUCTION})
    monkeypatch.setattr(video, "settings", lambda: real)

    assert provider_named("livekit").name == "jitsi"


def test_which_provider_it_is_is_configured(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("VIDEO_PROVIDER", "livekit")

    assert video_provider().name == "livekit"


def test_a_call_stays_with_the_provider_that_it_is_on_record_with(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("VIDEO_PROVIDER", "livekit")

    assert provider_named("jitsi").name == "jitsi"


@pytest.mark.parametrize(
    "name",
    [
        None,  # it has no room yet
        "jitsi-jwt",  # its secret was taken away
        "another",  # this release does not know it
    ],
)
def test_a_call_whose_provider_cannot_be_had_goes_to_the_configured_one(name: str | None) -> None:
    assert provider_named(name).name == "jitsi"


@pytest.mark.usefixtures("own_server")
def test_ones_own_server_is_told_which_room_and_until_when() -> None:
    claims = token_of(Side.CUSTOMER)

    assert claims["room"] == room_name(CALL_ID, 1)
    assert claims["exp"] == int(CLOSES_AT.timestamp())
    assert (claims["iss"], claims["sub"]) == ("toritsugi", "video.example.jp")


@pytest.mark.usefixtures("own_server")
@pytest.mark.parametrize(
    ("side", "affiliation", "moderates"), [("customer", "member", "false"), ("staff", "owner", "true")]
)
def test_staff_moderate_a_room_on_ones_own_server_and_customers_do_not(
    side: str, affiliation: str, moderates: str
) -> None:
    claims = token_of(Side(side))

    assert claims["context"] == {"user": {"id": side, "affiliation": affiliation, "moderator": moderates}}


@pytest.mark.usefixtures("own_server")
def test_an_entry_that_was_changed_bears_no_signature_of_ours() -> None:
    [token] = parse_qs(urlsplit(entry(Side.CUSTOMER)).query)["jwt"]

    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, "another secret of the same length, or so", algorithms=["HS256"], audience="jitsi")


@pytest.mark.usefixtures("own_server")
def test_ones_own_server_lies_under_its_own_origin() -> None:
    assert video_provider().origins == ("https://video.example.jp",)


@pytest.mark.parametrize("missing", ["JITSI_APP_ID", "JITSI_APP_SECRET"])
@pytest.mark.usefixtures("own_server")
def test_a_jwt_provider_without_its_secret_does_not_start(missing: str, environment: pytest.MonkeyPatch) -> None:
    environment.delenv(missing)

    with pytest.raises(ValidationError, match="JITSI_APP_SECRET"):
        Settings()


@pytest.mark.parametrize(
    ("provider", "named"),
    [
        ("jitsi", {"VIDEO_URL"}),
        ("livekit", {"LIVEKIT_URL", "LIVEKIT_MEET_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"}),
    ],
)
def test_production_asks_for_what_its_provider_needs_and_for_nothing_of_another(
    provider: str, named: set[str], environment: pytest.MonkeyPatch
) -> None:
    environment.delenv("VIDEO_URL")
    environment.setenv("ENVIRONMENT", "production")
    environment.setenv("VIDEO_PROVIDER", provider)

    with pytest.raises(ValidationError) as refused:
        Settings()

    asked = set(re.findall(r"\b(?:VIDEO|JITSI|LIVEKIT)_\w+", str(refused.value)))
    assert asked == named


def test_an_unknown_provider_does_not_start(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("VIDEO_PROVIDER", "skype")

    with pytest.raises(ValidationError):
        Settings()
