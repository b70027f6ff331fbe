"""Ends what a killed starter left behind. It knows process groups and folders, nothing else.

A process that is killed with -9 cannot tidy up, so a second one must: the keeper runs in a session of its own and
waits on a pipe that only its starter holds. When the pipe closes the starter is gone, however it went. (Linux
could signal the children by PR_SET_PDEATHSIG, but that fires when the starting *thread* ends; macOS has nothing
like it.)
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TypedDict

GRACE_SECONDS = 10.0


class Ward(TypedDict):
    """One thing to end: a process group with the signal that asks it to, or a folder to remove."""

    group: int
    signal: int
    last: bool
    folder: str


class Keeper:
    """The starter's end of the pipe. Several threads may use it; a forked child gets a keeper of its own."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._wards: dict[str, Ward] = {}
        self._pipe: IO[bytes] | None = None
        self._starter = 0

    def wake(self) -> None:
        """Start it now, so that what cannot be watched is not started at all.

        Raises:
            OSError: this Python cannot be run by us.
        """
        with self._lock:
            if self._starter != os.getpid() or self._pipe is None:
                self._change({})

    def watch(self, group: int, *, ask: signal.Signals = signal.SIGTERM, last: bool = False) -> None:
        """Have this process group ended when we die: asked by `ask`, then killed.

        Groups with `last` are servers that others depend on: they are asked when the others are gone.
        """
        self._say(f"group {group}", Ward(group=group, signal=ask, last=last, folder=""))

    def forget(self, group: int) -> None:
        """Stop watching a group that has ended: its number may soon be someone else's."""
        self._say(f"group {group}", None)

    def remove(self, folder: Path) -> None:
        """Have this folder removed when we die, after the last group has ended."""
        self._say(f"folder {folder}", Ward(group=0, signal=0, last=True, folder=str(folder)))

    def keep(self, folder: Path) -> None:
        """Stop watching a folder."""
        self._say(f"folder {folder}", None)

    def _say(self, key: str, ward: Ward | None) -> None:
        with self._lock:
            self._change({key: ward})

    def _change(self, change: dict[str, Ward | None]) -> None:
        if self._starter != os.getpid():
            self._wards, self._pipe, self._starter = {}, None, os.getpid()
        for key, ward in change.items():
            if ward is None:
                self._wards.pop(key, None)
            else:
                self._wards[key] = ward
        try:
            self._write(change)
        except BrokenPipeError:  # somebody killed the keeper
            self._pipe = None
            self._write(change)

    def _write(self, change: dict[str, Ward | None]) -> None:
        if self._pipe is None:
            self._pipe = _start()
            change = dict(self._wards)
        self._pipe.write(json.dumps(change).encode() + b"\n")
        self._pipe.flush()


def _start() -> IO[bytes]:
    process = subprocess.Popen(  # noqa: S603 - this very file, run by this very Python
        [sys.executable, "-I", "-S", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    # It ends by itself when we do, so nobody waits for it and nobody should be told that nobody did.
    process.returncode = 0
    if process.stdin is None:
        raise RuntimeError("the keeper was started without its pipe")
    return process.stdin


def _signal(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _lives(group: int) -> bool:
    """Whether a process of the group still runs. Where nobody reaps the dead (a container), they do not count."""
    if not _signal(group, 0):
        return False
    stats = list(Path("/proc").glob("[0-9]*/stat"))
    if not stats:
        return True  # not Linux
    for stat in stats:
        with contextlib.suppress(OSError, IndexError):  # it ended while we looked
            state, _, found = stat.read_text().rpartition(")")[2].split()[:3]
            if int(found) == group and state not in "ZX":
                return True
    return False


def _end(groups: list[Ward]) -> None:
    for ward in groups:
        _signal(ward["group"], ward["signal"])
        # A stopped process (SIGSTOP) would never hear the request.
        _signal(ward["group"], signal.SIGCONT)
    give_up = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < give_up and any(_lives(ward["group"]) for ward in groups):
        time.sleep(0.05)
    for ward in groups:
        _signal(ward["group"], signal.SIGKILL)


def keep_watch(pipe: IO[bytes]) -> None:
    """Read what to watch until the pipe closes, then end all that is left."""
    wards: dict[str, Ward] = {}
    for line in pipe:
        with contextlib.suppress(ValueError):  # a line cut short by the starter's death
            for key, ward in json.loads(line).items():
                wards.pop(key, None)
                if ward is not None:
                    wards[key] = ward
    groups = [ward for ward in wards.values() if ward["group"] > 1]
    _end([ward for ward in groups if not ward["last"]])
    _end([ward for ward in groups if ward["last"]])
    for ward in wards.values():
        if ward["folder"]:
            shutil.rmtree(ward["folder"], ignore_errors=True)


keeper = Keeper()
"""The keeper of this process. It is started at the first use."""


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    keep_watch(sys.stdin.buffer)
