"""Runs the processes of a Procfile side by side: starts, watches, restarts and ends them, and leaves none behind.

It knows processes, their output and their signs of life. It knows nothing of what they do, and starts no servers.
"""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from string import Template
from types import FrameType, TracebackType
from typing import BinaryIO, Self, TextIO

from worker.keeper import keeper

REPOSITORY = Path(__file__).resolve().parent.parent
PROCFILE = REPOSITORY / "Procfile"

# A worker finishes what it does before it ends; its longest call to a vendor may take 33 seconds to time out.
STOP_SECONDS = 40.0
FIRST_DELAY_SECONDS = 0.2
LONGEST_DELAY_SECONDS = 10.0
INSTANT_SECONDS = 10.0
INSTANT_DEATHS = 6
LAST_LINES = 15

# The vendors' stand-in ends after everyone who may be waiting for its answer: else a clean stop would leave
# messages of which nobody knows whether they were sent.
LAST_TO_STOP = frozenset({"sandbox"})

COLOURS = (36, 33, 32, 35, 34, 31, 96, 93)

SignOfLife = Callable[[], bool]


class StackError(RuntimeError):
    """A process could not be started, did not become ready, or died again and again."""


class Standing(StrEnum):
    """What is wanted of a process, and how it stands."""

    UP = "up"
    DOWN = "down"
    GIVEN_UP = "given up"


@dataclass(frozen=True)
class Answers:
    """Ready when the address answers with less than 500. `url` may name variables of the environment."""

    url: str


@dataclass(frozen=True)
class Says:
    """Ready when a line of output matches."""

    pattern: str


READINESS: Mapping[str, Answers | Says] = {
    "api": Answers("http://127.0.0.1:$PORT_API/healthz"),
    "flower": Answers("http://127.0.0.1:$PORT_FLOWER/healthcheck"),
    "sandbox": Answers("http://127.0.0.1:$SANDBOX_PORT/_health"),
    "beat": Says(r"beat: Starting"),
    "worker-": Says(r"\S+@\S+ ready"),
}
"""The sign of life of a process, by its name or by the beginning of its name."""


def read_procfile(file: Path = PROCFILE) -> dict[str, str]:
    """Return command by name, in the file's order.

    Raises:
        ValueError: a line is not `name: command`, or a name stands twice.
    """
    commands: dict[str, str] = {}
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, separator, command = line.partition(":")
        if not separator or not re.fullmatch(r"[a-z][a-z0-9-]*", name.strip()) or not command.strip():
            raise ValueError(f"{file.name} line {number} is not `name: command`")
        if name.strip() in commands:
            raise ValueError(f"{file.name} line {number}: {name.strip()} stands there twice")
        commands[name.strip()] = command.strip()
    return commands


@dataclass
class _Process:
    name: str
    command: list[str]
    readiness: Answers | Says | SignOfLife | None
    colour: int
    wanted: Standing = Standing.DOWN
    running: subprocess.Popen[bytes] | None = None
    reader: threading.Thread | None = None
    ready: threading.Event = field(default_factory=threading.Event)
    started_at: float = 0.0
    due_at: float | None = None
    instant_deaths: int = 0
    starts: int = 0
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))


class Stack:
    """The processes of a Procfile, as one thing that can be started, hurt and stopped.

    Args:
        environment: all variables of the processes; `$NAME` in a command is replaced from it.
        procfile: the file to read, or commands by name.
        only: the names to run; all of them, if not given.
        console: where output goes, each line behind the name of its process; nowhere, if not given.
        shown: which lines go there; all of them, if not given. What the stack itself has to say always does.
        logs: a folder for `<name>.log` with the same output, without the names; nowhere, if not given.
        readiness: signs of life that take the place of those in `READINESS`.
        changed: called after each start and end of a process, from any thread, one call at a time.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        procfile: Path | Mapping[str, str] = PROCFILE,
        only: Collection[str] | None = None,
        console: TextIO | None = None,
        shown: Callable[[str], bool] = lambda _: True,
        logs: Path | None = None,
        readiness: Mapping[str, Answers | Says | SignOfLife] | None = None,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        # `python` in a command is the Python that runs this, whether its environment was activated or not.
        path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
        self.environment = {**environment, "PATH": path, "PYTHONUNBUFFERED": "1"}
        self._console = console
        self._shown = shown
        self._logs = logs
        self._changed = changed
        self._lock = threading.RLock()
        self._print_lock = threading.Lock()
        self._ending = threading.Event()
        self._gave_up = threading.Event()
        self._watch: threading.Thread | None = None
        commands = read_procfile(procfile) if isinstance(procfile, Path) else dict(procfile)
        unknown = set(only or ()) - set(commands)
        if unknown:
            raise ValueError(f"not in the Procfile: {', '.join(sorted(unknown))}")
        self._processes = {
            name: _Process(
                name=name,
                command=self._expand(name, command),
                readiness=_readiness_of(name, {**READINESS, **(readiness or {})}),
                colour=COLOURS[number % len(COLOURS)],
            )
            for number, (name, command) in enumerate(commands.items())
            if only is None or name in only
        }
        self._width = max(map(len, self._processes), default=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def names(self) -> list[str]:
        """The processes, in the Procfile's order."""
        return list(self._processes)

    @property
    def pids(self) -> dict[str, int]:
        """The processes that run now."""
        with self._lock:
            return {name: p.running.pid for name, p in self._processes.items() if p.running and _alive(p)}

    def starts(self, name: str) -> int:
        """How often a process was started so far."""
        return self._processes[name].starts

    def start(self) -> None:
        """Start all processes and watch over them. Does not wait for them; see `wait_until_ready`."""
        for name in self._processes:
            self.bring_up(name)

    def bring_up(self, name: str) -> None:
        """Start one process unless it runs, and from now on start it again when it dies."""
        with self._lock:
            process = self._processes[name]
            self._ending.clear()
            process.wanted = Standing.UP
            process.instant_deaths = 0
            if not any(other.wanted is Standing.GIVEN_UP for other in self._processes.values()):
                self._gave_up.clear()
            if not _alive(process):
                self._spawn(process)
            if self._watch is None or not self._watch.is_alive():
                self._watch = threading.Thread(target=self._supervise, name="stack", daemon=True)
                self._watch.start()

    def put_down(
        self, name: str, number: signal.Signals = signal.SIGTERM, *, timeout_seconds: float = STOP_SECONDS
    ) -> None:
        """End one process and leave it down: by the signal, and by SIGKILL if it takes longer than the timeout."""
        with self._lock:
            process = self._processes[name]
            process.wanted = Standing.DOWN
            _send(process, number)
        self._see_end([process], time.monotonic() + timeout_seconds)

    def restart(self, name: str) -> None:
        """End one process as its supervisor would, and start it again."""
        self.put_down(name)
        self.bring_up(name)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Send a signal to one process, as an accident would, and return its pid. It is started again if it dies.

        After SIGKILL it is dead on return, and `wait_until_ready` waits for the one that takes its place.

        Raises:
            StackError: it is not running.
        """
        with self._lock:
            process = self._processes[name]
            if process.running is None or not _alive(process):
                raise StackError(f"{name} is not running")
            if number not in (signal.SIGSTOP, signal.SIGCONT):
                process.ready.clear()
            process.running.send_signal(number)
            if number is signal.SIGKILL:
                process.running.wait()
            return process.running.pid

    def is_ready(self, name: str) -> bool:
        """Whether a process runs and has shown its sign of life since it was started."""
        process = self._processes[name]
        if not _alive(process):
            return False
        if not process.ready.is_set() and self._shows_life(process):
            process.ready.set()
        return process.ready.is_set()

    def wait_until_ready(
        self, *names: str, timeout_seconds: float = 90.0, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        """Wait until these processes (all that are wanted, if none is named) are ready; `tell` hears each name once.

        Raises:
            StackError: one died again and again, or the time is over; the message holds its last lines.
        """
        waiting = list(names) or [name for name, p in self._processes.items() if p.wanted is Standing.UP]
        give_up = time.monotonic() + timeout_seconds
        while waiting:
            for name in [name for name in waiting if self.is_ready(name)]:
                waiting.remove(name)
                tell(name)
            if self._gave_up.is_set():
                raise StackError(self.trouble())
            if waiting and time.monotonic() > give_up:
                raise StackError("\n".join(f"{name} is not ready.{self._last_words(name)}" for name in waiting))
            if waiting:
                time.sleep(0.05)

    def trouble(self) -> str:
        """Say which processes died again and again, with their last lines. Empty when none did."""
        given_up = [name for name, p in self._processes.items() if p.wanted is Standing.GIVEN_UP]
        return "\n".join(f"{name} died again and again.{self._last_words(name)}" for name in given_up)

    def stop(self, *, timeout_seconds: float = STOP_SECONDS) -> None:
        """Ask all processes to end, wait, and kill what is left after the timeout. Safe to call twice."""
        self._ending.set()
        give_up = time.monotonic() + timeout_seconds
        for last in (False, True):
            with self._lock:
                wave = [p for p in self._processes.values() if (p.name in LAST_TO_STOP) is last]
                for process in wave:
                    if process.wanted is Standing.UP:
                        process.wanted = Standing.DOWN
                    _send(process, signal.SIGTERM)
            self._see_end(wave, give_up)

    def kill_all(self) -> None:
        """End everything at once, without asking."""
        self.stop(timeout_seconds=0.0)

    def run(self, *, meanwhile: Callable[[], None] = lambda: None, stopping: Callable[[], None] = lambda: None) -> int:
        """Stay until SIGINT, SIGTERM or SIGHUP, then stop everything; a second signal stops without waiting.

        Must be called from the main thread.

        Args:
            meanwhile: called a few times a second while everything runs; what it raises ends the stay.
            stopping: called once, before the processes are asked to end.

        Returns:
            The exit status: 0 after a signal, 1 if a process died again and again.
        """
        # A handler interrupts the main thread anywhere, even inside `Event.wait`, for whose lock `Event.set` would then
        # wait until the end of time. Appending to a list takes no lock.
        heard: list[int] = []

        def hear(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
            heard.append(number)

        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        before = {number: signal.signal(number, hear) for number in signals}
        try:
            while not heard and not self._gave_up.is_set():
                time.sleep(0.1)
                meanwhile()
            stopping()
            ending = threading.Thread(target=self.stop, name="stop", daemon=True)
            ending.start()
            while ending.is_alive():
                ending.join(0.1)
                if len(heard) > 1:
                    self.kill_all()
            return 1 if self._gave_up.is_set() else 0
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _expand(self, name: str, command: str) -> list[str]:
        try:
            return [Template(word).substitute(self.environment) for word in shlex.split(command)]
        except KeyError as missing:
            raise ValueError(f"the command of {name} needs the variable {missing.args[0]}") from None

    def _spawn(self, process: _Process) -> None:
        keeper.wake()
        log: BinaryIO | None = None
        if self._logs is not None:
            self._logs.mkdir(parents=True, exist_ok=True)
            log = (self._logs / f"{process.name}.log").open("ab", buffering=0)
        try:
            process.running = subprocess.Popen(  # noqa: S603 - the project's own Procfile
                process.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=REPOSITORY,
                # A session of its own: Ctrl-C reaches us alone, and each process hears one signal, once.
                start_new_session=True,
            )
        except OSError as error:
            if log:
                log.close()
            raise StackError(f"{process.name} cannot be started: {error.strerror}: {process.command[0]}") from error
        keeper.watch(process.running.pid, last=process.name in LAST_TO_STOP)
        process.ready.clear()
        process.started_at = time.monotonic()
        process.due_at = None
        process.starts += 1
        process.last_lines.clear()
        if process.readiness is None:
            process.ready.set()
        process.reader = threading.Thread(
            target=self._read, args=(process, process.running, log), name=f"read-{process.name}", daemon=True
        )
        process.reader.start()
        self._changed()

    def _read(self, process: _Process, running: subprocess.Popen[bytes], log: BinaryIO | None) -> None:
        sign = re.compile(process.readiness.pattern) if isinstance(process.readiness, Says) else None
        if running.stdout is None:
            raise StackError(f"{process.name} was started without its pipe")
        with running.stdout as lines, log or contextlib.nullcontext():
            for raw in lines:
                if log:
                    log.write(raw)
                line = raw.decode(errors="replace").rstrip("\r\n")
                process.last_lines.append(line)
                if self._shown(line):
                    self._print(process, line)
                if sign and process.running is running and sign.search(line):
                    process.ready.set()

    def _print(self, process: _Process, line: str) -> None:
        if self._console is None:
            return
        name = f"{process.name:<{self._width}}"
        if self._console.isatty():
            name = f"\033[{process.colour}m{name}\033[0m"
        with self._print_lock, contextlib.suppress(OSError, ValueError):  # the reader of a pipe may have left
            self._console.write(f"{name} | {line}\n")
            self._console.flush()

    def _shows_life(self, process: _Process) -> bool:
        match process.readiness:
            case None:
                return True
            case Says():
                return False  # the reader will see it
            case Answers(url):
                return _answers(Template(url).substitute(self.environment))
            case asked:
                return asked()

    def _supervise(self) -> None:
        while not self._ending.wait(0.05):
            with self._lock:
                for process in self._processes.values():
                    if process.wanted is Standing.UP and not _alive(process) and not self._ending.is_set():
                        self._revive(process)

    def _revive(self, process: _Process) -> None:
        """Take note of a death that nobody asked for, and start again when the delay is over."""
        if process.due_at is None:
            self._take_note(process)
        elif time.monotonic() >= process.due_at:
            try:
                self._spawn(process)
            except StackError as error:
                self._print(process, str(error))
                self._give_up(process)

    def _take_note(self, process: _Process) -> None:
        status = process.running.returncode if process.running else None
        lived = time.monotonic() - process.started_at
        _tidy(process)
        process.instant_deaths = process.instant_deaths + 1 if lived < INSTANT_SECONDS else 1
        if process.instant_deaths >= INSTANT_DEATHS:
            self._print(process, f"died {INSTANT_DEATHS} times in a row soon after its start: giving up")
            self._give_up(process)
            return
        delay = min(FIRST_DELAY_SECONDS * 2 ** (process.instant_deaths - 1), LONGEST_DELAY_SECONDS)
        process.due_at = time.monotonic() + delay
        self._print(process, f"died ({_in_words(status)}); starting it again in {delay:.1f} s")
        self._changed()

    def _give_up(self, process: _Process) -> None:
        process.wanted = Standing.GIVEN_UP
        self._gave_up.set()
        self._changed()

    def _see_end(self, processes: list[_Process], give_up: float) -> None:
        for process in processes:
            running = process.running
            if running is None:
                continue
            try:
                running.wait(max(0.0, give_up - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._print(process, "did not end in time, so it is killed")
                running.kill()
                running.wait()
            with self._lock:
                _tidy(process)
                process.running = None
            if process.reader:
                process.reader.join(2)
        with self._lock:
            self._changed()

    def _last_words(self, name: str) -> str:
        lines = list(self._processes[name].last_lines)
        return " It said nothing." if not lines else " Its last lines:\n" + "\n".join(f"    {line}" for line in lines)


def _readiness_of(name: str, table: Mapping[str, Answers | Says | SignOfLife]) -> Answers | Says | SignOfLife | None:
    if name in table:
        return table[name]
    return next((sign for key, sign in table.items() if key.endswith("-") and name.startswith(key)), None)


def _alive(process: _Process) -> bool:
    return process.running is not None and process.running.poll() is None


def _send(process: _Process, number: signal.Signals) -> None:
    if process.running is not None and _alive(process):
        process.running.send_signal(number)
        if number is not signal.SIGSTOP:
            process.running.send_signal(signal.SIGCONT)  # a stopped process would never hear it


def _tidy(process: _Process) -> None:
    """Kill what a dead process has left of its group, and stop watching it."""
    if process.running is None:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.running.pid, signal.SIGKILL)
    keeper.forget(process.running.pid)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - an address on the loopback, made from a port
            return True
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code < 500  # noqa: PLR2004 - HTTP's own border: from here on the server is at fault
    except (OSError, ValueError):
        return False


def _in_words(status: int | None) -> str:
    if status is None:
        return "never ran"
    if status < 0:
        return f"by {signal.Signals(-status).name}"
    return f"exit {status}"
