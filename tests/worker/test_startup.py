"""Nobody is served while customers could agree to nothing."""

import pytest
from sqlalchemy import delete

from models.terms import TermsDocument
from tests.conftest import StoppedTime
from tests.worker.desk import sqlite_only
from worker import startup, video
from worker.database import Database
from worker.settings import Environment, VideoChoice, settings


@sqlite_only
@pytest.mark.parametrize(("chosen", "starts"), [(VideoChoice.JITSI, True), (VideoChoice.LIVEKIT, False)])
def test_production_wants_terms_of_whoever_carries_new_calls(
    seeded: Database, time: StoppedTime, monkeypatch: pytest.MonkeyPatch, *, chosen: VideoChoice, starts: bool
) -> None:
    with seeded.transaction() as session:
        session.execute(delete(TermsDocument).where(TermsDocument.provider == VideoChoice.LIVEKIT))
    real = settings().model_copy(update={"environment": Environment.PRODUCTION, "video_provider": chosen})
    monkeypatch.setattr(startup, "settings", lambda: real)
    monkeypatch.setattr(video, "settings", lambda: real)

    if starts:
        startup.check_terms()
    else:
        with pytest.raises(startup.TermsMissingError, match="livekit"):
            startup.check_terms()
