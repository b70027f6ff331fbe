"""Holds the papers to what is there: links lead somewhere, named files and commands exist, nothing is of one machine.

It reads what the repository holds, and judges no prose.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest

from worker.commands import COMMANDS

ROOT = Path(__file__).parents[2]

PROMISED = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs/clauses.md", "docs/glossary.md", "docs/settings.md")

NOT_OURS = {".git", ".venv", "var", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"}

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
NAMED_FILE = re.compile(r"`((?:api|models|tasks|worker|sandbox|bench|docs|tests|requirements)/[\w./-]+\.\w+)`")
NAMED_TARGET = re.compile(r"`make ([a-z]+)")
NAMED_COMMAND = re.compile(r"python -m worker ([a-z]+)\b(?!-)")

HOME = re.compile(r"(?<![\w.])/(?:home|Users|root)/\w+")
REGISTRY = re.compile(
    r"--(?:extra-)?index-url|--find-links|\bPIP_INDEX_URL\b|\bregistry=https?:|://[^\s\"'/]*/(?:simple|pypi)/"
)
MOBILE = re.compile(r"\+81[ -]?[789]0[ -]?(?!0000)\d{4}[ -]?\d{4}\b")
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def pages() -> dict[str, str]:
    return {path: text for path, text in files().items() if path.endswith(".md")}


@cache
def files() -> dict[str, str]:
    """Return path and text of all that the repository holds."""
    found: dict[str, str] = {}
    for folder, below, names in os.walk(ROOT):
        below[:] = sorted(set(below) - NOT_OURS)
        for name in sorted(names):
            path = Path(folder, name)
            with suppress(UnicodeDecodeError):  # a picture
                found[path.relative_to(ROOT).as_posix()] = path.read_text(encoding="utf-8")
    return found


def anchors(page: str) -> set[str]:
    """Return what GitHub makes of a page's headings."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in HEADING.findall(page))
    return set(plain)


def broken_links(path: str, text: str, root: Path) -> Iterator[str]:
    """Say which links of a page lead nowhere; those to other hosts are not followed."""
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        page = (root / path).parent / place if place else root / path
        if not page.exists():
            yield f"{path} links {target}"
        elif anchor and anchor not in anchors(page.read_text(encoding="utf-8")):
            yield f"{path} links {target}, and there is no such heading"


def traces(path: str, text: str) -> Iterator[str]:
    """Say what in a file belongs to one machine, one person or one registry."""
    # This file has the patterns in it.
    if path == "tests/house/test_papers.py":
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if HOME.search(line) or f"{ROOT}/" in line:
            yield f"{path}:{number} names a folder of one machine"
        if REGISTRY.search(line):
            yield f"{path}:{number} names a registry"
        if PRIVATE_KEY.search(line):
            yield f"{path}:{number} holds a private key"
        if MOBILE.search(line):
            yield f"{path}:{number} has a number that may be somebody's"


@pytest.mark.parametrize("paper", PROMISED)
def test_a_paper_that_newcomers_are_promised_is_there(paper: str) -> None:
    assert (ROOT / paper).is_file()


def test_every_link_leads_somewhere() -> None:
    assert [fault for path, text in pages().items() for fault in broken_links(path, text, ROOT)] == []


def test_every_file_that_a_paper_names_is_there() -> None:
    missing = {
        f"{path} names {name}"
        for path, text in pages().items()
        if path not in {"docs/clauses.md", "CHANGELOG.md"}  # one has a test of its own, the other tells of what was
        for name in NAMED_FILE.findall(text)
        if "…" not in name and not (ROOT / name).exists()
    }

    assert missing == set()


def test_every_make_target_that_a_paper_names_is_one() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for text in pages().values() for name in NAMED_TARGET.findall(text)}

    assert named - targets == set()


def test_every_command_that_is_named_is_one() -> None:
    named = {name for text in files().values() for name in NAMED_COMMAND.findall(text)}

    assert named - set(COMMANDS) == set()
    folder = ROOT / "worker" / "commands"
    assert all((folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file() for name in COMMANDS)


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs" / "decisions").glob("*.md"))]

    assert numbers == list(range(len(numbers)))


def test_no_file_is_of_one_machine_or_one_person() -> None:
    assert [fault for path, text in files().items() for fault in traces(path, text)] == []


def test_a_number_on_a_test_prefix_may_stand_anywhere() -> None:
    assert list(traces("tests/x.py", "+81900000" + "0001")) == []


# The readers are shown what they must catch.


def test_a_link_to_a_page_or_heading_that_is_not_there_is_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# One heading, `two` words\n")
    text = "[a](there.md) [b](there.md#one-heading-two-words) [c](gone.md) [d](there.md#gone) [e](https://example.com)"

    assert list(broken_links("page.md", text, tmp_path)) == [
        "page.md links gone.md",
        "page.md links there.md#gone, and there is no such heading",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "see /home/somebody/project",
        "cd /root/project",
        f"open {ROOT}/README.md",
        "pip install --index-url https://mirror.example/simple x",
        "https://mirror.example/simple/x",
        "+81 90-1234-" + "5678",
        "-----BEGIN EC PRIVATE KEY-----",
    ],
)
def test_a_trace_of_one_machine_person_or_registry_is_found(line: str) -> None:
    assert list(traces("docs/page.md", line))
