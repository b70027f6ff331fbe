"""Whether this process lives, and whether it can do its work. A broker that is away is no reason to refuse work."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from api.answers import Alive, Ready
from api.description import says
from api.problems import Problem
from models.base import database_time
from models.job import Job
from worker import schema
from worker.clock import system_now
from worker.database import database

router = APIRouter(tags=["health"])
MOST_SKEW = timedelta(seconds=2)


@router.get("/healthz", **says(200, Alive, title="Whether it lives"))
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", **says(200, Ready, "clock_skew", "schema_outdated", title="Whether it can work"))
def readyz() -> dict[str, Any]:
    """The database answers, its schema is this code's, and the host's clock agrees with it to two seconds."""
    try:
        with database().snapshot() as session:
            skew = abs(system_now() - session.scalars(select(database_time())).one())
            parked = session.scalars(select(func.count()).where(Job.parked_at.is_not(None))).one()
            current = schema.is_current(session.connection())
    except SQLAlchemyError as error:
        raise Problem(503, "database_unavailable", "The database cannot be reached.") from error
    if skew > MOST_SKEW:
        raise Problem(503, "clock_skew", "This host's clock is more than two seconds off the database's.")
    if not current:
        raise Problem(503, "schema_outdated", "Run `python -m worker migrate`.")
    return {"status": "ok", "skew_seconds": round(skew.total_seconds(), 3), "parked_jobs": parked}
