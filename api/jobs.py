"""One job's state, for whoever was told its id. A job that is done leaves no row."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends

from api.access import needs, unbound
from api.answers import JobShown
from api.description import says
from api.problems import Problem
from api.resources import instant
from models.access import ApiKey, Scope
from models.job import Job
from worker.database import database

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])


@router.get("/{job_id}", **says(200, JobShown, "job_not_found", title="Read an owed job"))
def show(job_id: UUID, caller: Annotated[ApiKey, Depends(needs(Scope.OPERATOR))]) -> dict[str, Any]:
    """Return an owed job: waiting, handed over, or parked. Jobs belong to no shop; a key for some shops sees none."""
    unbound(caller)
    with database().snapshot() as session:
        job = session.get(Job, job_id)
        if job is None:
            raise Problem(404, "job_not_found", "No such job is owed: it is done, or never was.")
        state = "parked" if job.parked_at else "handed_over" if job.rung_at else "waiting"
        return {
            "id": str(job.id),
            "name": job.name,
            "queue": job.queue,
            "args": job.args,
            "state": state,
            "due_at": instant(job.due_at),
            "rings": job.rings,
            "failures": job.failures,
            "last_error": job.last_error,
        }
