"""An API on a fresh, seeded database, with a key that may do everything, and time that stands where a test puts it."""

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from api.app import create_app
from worker.commands.keys import development_key
from worker.database import Database


@pytest.fixture
def client(seeded: Database) -> Iterator[TestClient]:
    """The app, without a broker: what it owes stays in the database until a test performs it."""
    with seeded.transaction() as session:
        token = development_key(session)
    with TestClient(create_app(), headers={"Authorization": f"Bearer {token}"}) as made:
        yield made
