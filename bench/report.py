"""Turns rounds into medians, ratios and a plain table. It knows numbers and their names, nothing of how they came."""

import json
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        ratio: to the bare no-op of the same round, as the median over the rounds; None where it means nothing.
        rounds: the values behind a median.
    """

    what: str
    value: float
    unit: str
    ratio: float | None = None
    note: str = ""
    rounds: Sequence[float] = field(default_factory=tuple)


def throughput(what: str, rates: Sequence[float], bare: Sequence[float], *, note: str = "") -> Line:
    """Return the line of a rate that was measured once in each round."""
    ratio = statistics.median(rate / yardstick for rate, yardstick in zip(rates, bare, strict=True))
    return Line(what, statistics.median(rates), "/s", ratio, note, rates)


def cpu(what: str, found: Sequence[float | None], bare: Sequence[float | None]) -> list[Line]:
    """Return the line of processor time, or none where the system does not tell.

    Its ratio hardly moves with what else the machine does, so on a busy one it says more than that of a rate.
    """
    pairs = [(own, base) for own, base in zip(found, bare, strict=True) if own is not None and base]
    if not pairs:
        return []
    ratio = statistics.median(own / base for own, base in pairs)
    rounds = [own for own, _ in pairs]
    return [Line(what, statistics.median(rounds), "ms", ratio, rounds=rounds)]


def spread(found: Sequence[float]) -> tuple[float, float]:
    """Return the median and the value below which 95 % lie (of 20 values, the second largest)."""
    ordered = sorted(found)
    return statistics.median(ordered), ordered[max(0, int(0.95 * len(ordered)) - 1)]


def table(lines: Sequence[Line]) -> str:
    """Return the lines as text in columns."""
    cells = [("", "median", "× bare", "")]
    cells += [
        (line.what, f"{_short(line.value)} {line.unit}", "" if line.ratio is None else f"{line.ratio:.2f}", line.note)
        for line in lines
    ]
    what, value = max(len(row[0]) for row in cells), max(len(row[1]) for row in cells)
    return "\n".join(f"{row[0]:<{what}}  {row[1]:>{value}}  {row[2]:>6}  {row[3]}".rstrip() for row in cells)


def machine() -> dict[str, str]:
    """Return what the numbers depend on besides us."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: version(package) for package in ("celery", "kombu", "redis", "sqlalchemy", "fastapi")},
    }


def write(file: Path, *, lines: Sequence[Line], **about: Any) -> None:
    """Write everything as JSON, the rounds too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    told = [{**vars(line), "rounds": list(line.rounds)} for line in lines]
    file.write_text(json.dumps({**about, "machine": machine(), "lines": told}, indent=1, ensure_ascii=False) + "\n")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three figures are all there is in it


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except FileNotFoundError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
