"""A short storm in every run of the tests; `make chaos` raises the long ones."""

import os
import subprocess
import sys

import pytest

from worker.settings import REPOSITORY

_SECONDS = int(os.environ.get("CHAOS_SECONDS") or 30)


@pytest.mark.timeout(_SECONDS + 420)
def test_a_storm_leaves_nothing_lost_nothing_doubled_and_nothing_stuck() -> None:
    command = [sys.executable, "-m", "tests.chaos.storm", "--seconds", str(_SECONDS)]

    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
