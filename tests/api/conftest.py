"""An API on a fresh, seeded database, with a key that may do everything, and time that stands where a test puts it."""

import pytest
from fastapi.testclient import TestClient

from tests.one_app import one_app
from worker.commands.keys import development_key
from worker.database import Database


@pytest.fixture
def client(seeded: Database) -> TestClient:
    """The app, without a broker: what it owes stays in the database until a test performs it."""
    with seeded.transaction() as session:
        token = development_key(session)
    # Not entered: the app's lifespan would start a relay, and with it a connection to whatever broker there is.
    return TestClient(one_app(), headers={"Authorization": f"Bearer {token}"})
