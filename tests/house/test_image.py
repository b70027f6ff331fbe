"""Holds the Dockerfile to what runs in it.

No Docker runs here, so the image is laid out by hand: what it copies, and what its lock installs, with everything else
out of reach.
"""

import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()

IMPORT_EVERYTHING = """
import importlib.abc, pkgutil, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"{name} is not in the lock", name=name)

ABSENT = set(sys.argv[1].split(","))
sys.meta_path.insert(0, Absent())
sys.path.insert(0, ".")
for room in sys.argv[2].split(","):
    package = importlib.import_module(room)
    for module in pkgutil.walk_packages(getattr(package, "__path__", []), f"{room}."):
        if not module.name.endswith("__main__") and ".migrations." not in module.name:
            importlib.import_module(module.name)

# What is looked up by name, and late.
import celery.bin.beat, celery.bin.celery, celery.concurrency.thread, flower.command, uvicorn.main
import kombu.transport
from worker.app import app
kombu.transport.get_transport_cls("redis")
app.loader.import_default_modules()
"""


def instructions(text: str) -> list[str]:
    """Return a Dockerfile's instructions, each on one line, without comments."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return [line for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines() if line.strip()]


def last_stage(text: str) -> list[str]:
    """Return the instructions that make the image itself."""
    found = instructions(text)
    return found[max(n for n, line in enumerate(found) if line.startswith("FROM ")) :]


def copied(stage: list[str]) -> list[str]:
    """Return what a stage copies out of the repository."""
    copies = [line.split()[1:] for line in stage if line.startswith("COPY ") and "--from" not in line]
    return [source for *sources, _ in copies for source in sources]


def locked(lock: str) -> set[str]:
    """Return the names of a lock's packages, normalised."""
    text = (ROOT / "requirements" / lock).read_text()
    return {_normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


def only_in(lock: str) -> set[str]:
    """Return the top-level modules that are installed here, but not by this lock."""
    present = locked(lock)
    return {
        module
        for module, owners in metadata.packages_distributions().items()
        if not {_normal(owner) for owner in owners} & present and module.isidentifier()
    }


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def laid_out(folder: Path, sources: list[str]) -> None:
    """Copy what the image copies."""
    for source in sources:
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, folder / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, folder / source)


def try_imports(folder: Path, rooms: list[str], *, absent: set[str]) -> str:
    """Import all modules of the rooms in a fresh process and return what it complains of."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", IMPORT_EVERYTHING, ",".join(sorted(absent)) or "-", ",".join(rooms)],
        cwd=folder,
        env={"ENVIRONMENT": "test", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr if done.returncode else ""


def test_the_image_holds_all_that_its_processes_import(tmp_path: Path) -> None:
    sources = copied(last_stage(DOCKERFILE))
    laid_out(tmp_path, sources)

    complaint = try_imports(
        tmp_path, [source.removesuffix(".py") for source in sources], absent=only_in("runtime.lock")
    )

    assert complaint == ""


def test_make_up_installs_all_that_it_runs() -> None:
    rooms = ["api", "models", "tasks", "worker", "sandbox", "celeryconfig", "beat_schedule"]

    assert try_imports(ROOT, rooms, absent=only_in("up.lock")) == ""


def test_the_image_holds_the_rooms_and_nothing_of_development() -> None:
    assert set(copied(last_stage(DOCKERFILE))) == {
        "api",
        "models",
        "tasks",
        "worker",
        "celeryconfig.py",
        "beat_schedule.py",
    }


def test_what_is_copied_exists_and_nothing_else_is_sent_to_the_builder() -> None:
    wanted = copied(instructions(DOCKERFILE))
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    let_in = [line.removeprefix("!") for line in lines if line.startswith("!")]

    assert [source for source in wanted if not (ROOT / source).exists()] == []
    assert next(line for line in lines if not line.startswith("#")) == "*"
    assert sorted(let_in) == sorted(wanted)


def test_every_base_is_pinned_to_a_version() -> None:
    named = re.findall(r"^(?:FROM |ARG \w+=)(\S+)", DOCKERFILE, re.MULTILINE)
    given = [name for name in named if not name.startswith("${")]

    assert given
    assert [name for name in given if not re.search(r":\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$", name)] == []


def test_packages_come_from_the_lock_with_their_hashes_and_are_not_built() -> None:
    install = next(line for line in instructions(DOCKERFILE) if "pip" in line and "install" in line)

    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(install.split())
    assert "requirements/runtime.lock" in DOCKERFILE


def test_the_image_does_not_run_as_root() -> None:
    users = [line.split()[1] for line in last_stage(DOCKERFILE) if line.startswith("USER ")]

    assert len(users) == 1
    assert int(users[0].partition(":")[0]) > 0


def test_the_image_is_productions_unless_it_is_told_otherwise() -> None:
    assert "ENVIRONMENT=production" in " ".join(last_stage(DOCKERFILE))


def test_the_image_says_how_it_is_and_how_it_ends() -> None:
    words = {line.split()[0] for line in last_stage(DOCKERFILE)}

    assert {"HEALTHCHECK", "STOPSIGNAL", "CMD"} <= words
    # Operators write `docker compose run api python -m worker …`.
    assert "ENTRYPOINT" not in words


def test_no_secret_is_built_in() -> None:
    assert re.findall(r"(?i)(?:ENV|ARG)[^\n]*(?:SECRET|TOKEN|PASSWORD|_KEY)", DOCKERFILE) == []


# The checks are shown what they must catch.


def test_a_package_that_the_lock_forgot_is_found(tmp_path: Path) -> None:
    sources = copied(last_stage(DOCKERFILE))
    laid_out(tmp_path, sources)

    assert "is not in the lock" in try_imports(tmp_path, ["worker"], absent={"alembic"})


def test_a_room_that_the_image_forgot_is_found(tmp_path: Path) -> None:
    laid_out(tmp_path, [source for source in copied(last_stage(DOCKERFILE)) if source != "models"])

    assert "No module named 'models'" in try_imports(tmp_path, ["worker"], absent=set())


def test_instructions_that_go_on_in_the_next_line_are_one() -> None:
    assert instructions("# no\nRUN a \\\n    b\n\nUSER 1") == ["RUN a b", "USER 1"]
