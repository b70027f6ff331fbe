"""A short storm over a case of each plan in every run of the tests; `make chaos` raises the long one over hundreds."""

import os
import subprocess
import sys

import pytest

from tests.chaos.cases import PLANS
from worker.settings import REPOSITORY

_SECONDS = int(os.environ.get("CHAOS_CASE_SECONDS") or 30)


@pytest.mark.timeout(_SECONDS + 600)
def test_a_storm_leaves_no_case_stuck_and_no_address_with_one_side_alone() -> None:
    options = ["--seconds", str(_SECONDS), "--cases", str(len(PLANS))]

    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.case_storm", *options],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
