"""Remove the rule of each clause in turn, and see that its tests notice: `python -m tests.mutants [B20 B35 …]`.

Works in a copy of the repository, one mutant at a time. Exit status 0 if every mutant was caught; else 1, and each that
lived, or that made the code unable to run at all, is named with what pytest said.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from time import monotonic

from tests.mutants.mutant import Mutant
from tests.mutants.of_the_concierge import MUTANTS
from worker.settings import REPOSITORY

_LEFT_BEHIND = shutil.ignore_patterns(".git", ".venv", "var", "__pycache__", ".*_cache", ".hypothesis")
_PASSED, _FAILED = 0, 1
_BROKEN = re.compile(
    r"^E +(\w+\.)*(NameError|ImportError|ModuleNotFoundError|SyntaxError|UnboundLocalError|OperationalError)\b",
    re.MULTILINE,
)
"""Not a rule that is gone but code that no longer runs."""


class Verdict(StrEnum):
    """What became of a mutant."""

    CAUGHT = "caught"
    LIVED = "LIVED"
    """No test noticed that the rule was gone."""
    UNFIT = "UNFIT"
    """It no longer fits the code, or the tests could not even run: that proves nothing about the rule."""


def main(clauses: Sequence[str]) -> int:
    """Try the mutants of these clauses, or all of them; return the exit status."""
    chosen = [mutant for mutant in MUTANTS if not clauses or mutant.clause in clauses]
    unknown = set(clauses) - {mutant.clause for mutant in chosen}
    if unknown or not chosen:
        _say(f"no mutant of {', '.join(sorted(unknown)) or 'any clause'}")
        return 2
    began = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "toritsugi"
        shutil.copytree(REPOSITORY, copy, ignore=_LEFT_BEHIND, symlinks=True)
        uncaught = _tried(chosen, copy)
    covered = {mutant.clause for mutant in chosen}
    _say(
        f"{len(covered - uncaught)} of {len(covered)} clauses, each with a test that fails when the rule is removed "
        f"({len(chosen)} mutants, {(monotonic() - began) / 60:.1f} minutes)"
    )
    return 1 if uncaught else 0


def _tried(chosen: Sequence[Mutant], copy: Path) -> set[str]:
    """Try each mutant and say what became of it; return the clauses that have one which was not caught."""
    # All at once, for starting pytest takes longer than most of these tests.
    status, _ = _run(sorted({test for mutant in chosen for test in mutant.tests}), copy)
    if status != _PASSED:
        _say("not all of these tests pass with every rule in place, so each mutant's own are tried first")
    uncaught = set()
    for mutant in chosen:
        verdict, said = judge(mutant, copy, known_to_pass=status == _PASSED)
        _say(f"{mutant.clause:<4} {verdict:<7} {mutant.file}  {_reason(said)}")
        if verdict is not Verdict.CAUGHT:
            uncaught.add(mutant.clause)
            _say(said[-3000:])
    return uncaught


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - this command talks to a person


def judge(mutant: Mutant, copy: Path, *, known_to_pass: bool = False) -> tuple[Verdict, str]:
    """Run a mutant's tests in the copy, first as they are and then without the rule; return the verdict and the output.

    Tests that fail with the rule in place would notice anything; `known_to_pass` says that they were seen to pass.
    """
    try:
        mutated(mutant, (copy / mutant.file).read_text(encoding="utf-8"))
    except ValueError as misfit:
        return Verdict.UNFIT, str(misfit)
    if not known_to_pass:
        status, said = _run(mutant.tests, copy)
        if status != _PASSED:
            return Verdict.UNFIT, said
    with _without_its_rule(mutant, copy / mutant.file):
        status, said = _run(mutant.tests, copy, keeps_bytecode=False)
    if status == _PASSED:
        return Verdict.LIVED, said
    is_a_failure = status == _FAILED and "\nFAILED " in said and not _BROKEN.search(said)
    return (Verdict.CAUGHT if is_a_failure else Verdict.UNFIT), said


@contextmanager
def _without_its_rule(mutant: Mutant, file: Path) -> Iterator[None]:
    """Take the rule out of the file, and put all back, its times included: they say which bytecode is its own."""
    whole, before = file.read_text(encoding="utf-8"), file.stat()
    file.write_text(mutated(mutant, whole), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(whole, encoding="utf-8")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _reason(said: str) -> str:
    """Return how the first test that failed puts it, in a line."""
    found = re.search(r"^FAILED .*? - (.*)", said, re.MULTILINE)
    return found[1][:100] if found else ""


def mutated(mutant: Mutant, whole: str) -> str:
    """Return a file's text without the rule.

    Raises:
        ValueError: the lines that keep the rule do not stand there exactly once.
    """
    if whole.count(mutant.old) != 1:
        raise ValueError(f"{mutant.clause}: its lines stand {whole.count(mutant.old)} times in {mutant.file}")
    return whole.replace(mutant.old, mutant.new)


def _run(tests: Sequence[str], copy: Path, *, keeps_bytecode: bool = True) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--show-capture=no", *tests]
    bytecode = {} if keeps_bytecode else {"PYTHONDONTWRITEBYTECODE": "1"}
    # One database shows it; the tests themselves run on both in every run.
    done = subprocess.run(
        [*command, "-k", "not postgresql"],
        cwd=copy,
        # Wide enough for a line that says which test failed, and why.
        env={**os.environ, "COLUMNS": "400", **bytecode},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
