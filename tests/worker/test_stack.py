"""The processes of a Procfile: started, watched, restarted and ended, with none left behind."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from worker import stack as stack_module
from worker.stack import Answers, Says, Stack, StackError, read_procfile

REPOSITORY = Path(__file__).resolve().parents[2]

SLEEPS = "python -c 'import time; print(\"it is up\", flush=True); time.sleep(600)'"
DEAF = (
    "python -c 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    ' print("it is up", flush=True); time.sleep(600)\''
)
SLOW_TO_END = (
    "python -c 'import signal, sys, time;"
    ' signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.5), print("finished", flush=True), sys.exit(0)));'
    ' print("it is up", flush=True); time.sleep(600)\''
)
DIES = "python -c 'print(\"no such table\"); raise SystemExit(3)'"
UP = Says("it is up")


def eventually(claim: Callable[[], bool], seconds: float = 30.0) -> bool:
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        if claim():
            return True
        time.sleep(0.05)
    return claim()


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc/self").exists()


Run = Callable[..., Stack]


@pytest.fixture
def run() -> Iterator[Run]:
    """Make stacks of given commands, and stop them at the end."""
    made: list[Stack] = []

    def make(environment: dict[str, str] | None = None, console: io.StringIO | None = None, **commands: str) -> Stack:
        names = {name.replace("_", "-"): command for name, command in commands.items()}
        stack = Stack(
            {**os.environ, **(environment or {})},
            procfile=names,
            console=console,
            readiness=dict.fromkeys(names, UP),
        )
        made.append(stack)
        return stack

    yield make
    for stack in made:
        stack.kill_all()


# The Procfile


def test_a_procfile_is_read_in_its_order(tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_text("# a comment\n\nweb: serve --port $PORT\nworker-codes:  work -Q codes\n")

    assert list(read_procfile(file).items()) == [("web", "serve --port $PORT"), ("worker-codes", "work -Q codes")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("web serve\n", "line 1 is not"),  # no colon
        ("web: serve\nworker:\n", "line 2 is not"),  # no command
        ("Web!: serve\n", "line 1 is not"),  # no name
        ("web: serve\nweb: serve again\n", "stands there twice"),
    ],
)
def test_a_procfile_that_cannot_be_meant_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "Procfile"
    file.write_text(text)

    with pytest.raises(ValueError, match=complaint):
        read_procfile(file)


def test_every_process_of_the_projects_procfile_has_a_sign_of_life() -> None:
    names = read_procfile()

    assert names
    assert [name for name in names if stack_module._readiness_of(name, stack_module.READINESS) is None] == []


def test_a_command_that_needs_a_missing_variable_is_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="web needs the variable PORT_NOWHERE"):
        Stack({}, procfile={"web": "serve $PORT_NOWHERE"})


def test_only_some_processes_can_be_run() -> None:
    stack = Stack(os.environ, procfile={"web": SLEEPS, "worker": SLEEPS}, only=["worker"])

    assert stack.names == ["worker"]


# Starting


def test_processes_start_with_their_variables_and_the_python_that_runs_us(run: Run) -> None:
    console = io.StringIO()
    stack = run(
        {"COLOUR": "vermilion"},
        console,
        web='python -c \'import os, sys, time; print(sys.prefix, os.environ["COLOUR"], "it is up"); time.sleep(600)\'',
    )

    stack.start()
    stack.wait_until_ready()

    assert f"web | {sys.prefix} vermilion it is up" in console.getvalue()


def test_each_line_bears_the_name_of_its_process(run: Run) -> None:
    console = io.StringIO()
    stack = run(None, console, web=SLEEPS, worker_codes=SLEEPS)

    stack.start()
    stack.wait_until_ready()

    assert sorted(console.getvalue().splitlines()) == ["web          | it is up", "worker-codes | it is up"]


def test_output_is_kept_in_a_file_per_process(tmp_path: Path) -> None:
    with Stack(os.environ, procfile={"web": SLEEPS}, logs=tmp_path, readiness={"web": UP}) as stack:
        stack.start()
        stack.wait_until_ready()

    assert (tmp_path / "web.log").read_text() == "it is up\n"


def test_the_console_can_be_kept_for_what_matters(tmp_path: Path) -> None:
    console = io.StringIO()
    commands = {
        "web": 'python -c \'import time; print("chatter"); print("ERROR"); print("it is up"); time.sleep(600)\''
    }
    with Stack(
        os.environ, procfile=commands, console=console, shown=lambda line: "ERROR" in line, readiness={"web": UP}
    ) as stack:
        stack.start()
        stack.wait_until_ready()

    assert console.getvalue() == "web | ERROR\n"


def test_a_process_is_ready_when_its_address_answers() -> None:
    answers = iter([503, 503, 200])

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(next(answers, 200))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the inherited name
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        environment = {**os.environ, "PORT_WEB": str(server.server_port)}
        with Stack(
            environment, procfile={"web": SLEEPS}, readiness={"web": Answers("http://127.0.0.1:$PORT_WEB/")}
        ) as stack:
            stack.start()
            first = stack.is_ready("web")
            stack.wait_until_ready()
        server.shutdown()

    assert not first
    assert next(answers, None) is None


def test_a_process_can_be_asked_in_another_way_whether_it_is_ready() -> None:
    asked: list[int] = []

    def ready() -> bool:
        asked.append(1)
        return len(asked) == 3

    with Stack(os.environ, procfile={"web": SLEEPS}, readiness={"web": ready}) as stack:
        stack.start()
        stack.wait_until_ready()

    assert len(asked) == 3


def test_a_process_that_does_not_become_ready_is_named_with_its_last_lines(run: Run) -> None:
    stack = run(web="python -c 'import time; print(\"waiting for the moon\", flush=True); time.sleep(600)'")
    stack.start()

    with pytest.raises(StackError, match=r"(?s)web is not ready.*waiting for the moon"):
        stack.wait_until_ready(timeout_seconds=2.0)


def test_a_command_that_does_not_exist_is_an_error_that_names_it(run: Run) -> None:
    stack = run(web="no-such-program --now")

    with pytest.raises(StackError, match=r"web cannot be started.*no-such-program"):
        stack.start()


# Dying


def test_a_process_that_was_killed_is_started_again(run: Run) -> None:
    console = io.StringIO()
    stack = run(None, console, web=SLEEPS)
    stack.start()
    stack.wait_until_ready()

    killed = stack.kill("web")
    stack.wait_until_ready("web")

    assert stack.pids["web"] != killed
    assert stack.starts("web") == 2
    assert "died (by SIGKILL); starting it again" in console.getvalue()


def test_one_death_leaves_the_others_alone(run: Run) -> None:
    stack = run(web=SLEEPS, worker=SLEEPS)
    stack.start()
    stack.wait_until_ready()
    before = stack.pids["worker"]

    stack.kill("web")
    stack.wait_until_ready()

    assert stack.pids["worker"] == before


def test_what_a_killed_process_had_started_is_killed_before_it_starts_again(run: Run, tmp_path: Path) -> None:
    child_file = tmp_path / "child"
    stack = run(
        {"CHILD": str(child_file)},
        web=(
            'python -c \'import os, subprocess, time; c = subprocess.Popen(["sleep", "600"]);'
            ' open(os.environ["CHILD"], "a").write(f"{c.pid}\\n"); print("it is up"); time.sleep(600)\''
        ),
    )
    stack.start()
    stack.wait_until_ready()
    first_child = int(child_file.read_text().split()[0])

    stack.kill("web")
    stack.wait_until_ready("web")

    assert eventually(lambda: not alive(first_child))


def test_each_new_start_waits_longer_and_at_last_the_stack_gives_up_loudly(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack_module, "FIRST_DELAY_SECONDS", 0.01)
    console = io.StringIO()
    stack = run(None, console, web=DIES)
    stack.start()

    with pytest.raises(StackError, match=r"(?s)web died again and again.*no such table"):
        stack.wait_until_ready()

    assert stack.starts("web") == stack_module.INSTANT_DEATHS
    assert "giving up" in console.getvalue()
    delays = [float(found) for found in re.findall(r"again in ([0-9.]+) s", console.getvalue())]
    assert delays == sorted(delays)


def test_a_process_that_is_put_down_stays_down_until_it_is_brought_up(run: Run) -> None:
    stack = run(web=SLEEPS)
    stack.start()
    stack.wait_until_ready()

    stack.put_down("web", signal.SIGKILL)
    time.sleep(0.5)
    assert stack.pids == {}
    stack.bring_up("web")
    stack.wait_until_ready("web")

    assert list(stack.pids) == ["web"]


def test_a_restart_lets_a_process_finish_first(run: Run) -> None:
    console = io.StringIO()
    stack = run(None, console, web=SLOW_TO_END)
    stack.start()
    stack.wait_until_ready()

    stack.restart("web")
    stack.wait_until_ready("web")

    assert console.getvalue().splitlines() == ["web | it is up", "web | finished", "web | it is up"]


def test_only_a_running_process_can_be_killed(run: Run) -> None:
    with pytest.raises(StackError, match="web is not running"):
        run(web=SLEEPS).kill("web")


# Stopping


def test_stopping_lets_every_process_finish(run: Run) -> None:
    console = io.StringIO()
    stack = run(None, console, web=SLOW_TO_END, worker=SLOW_TO_END)
    stack.start()
    stack.wait_until_ready()

    stack.stop()

    assert console.getvalue().count("finished") == 2
    assert stack.pids == {}


def test_a_process_that_does_not_end_is_killed_when_the_time_is_over(run: Run) -> None:
    stack = run(web=DEAF)
    stack.start()
    stack.wait_until_ready()
    pid = stack.pids["web"]

    stack.stop(timeout_seconds=0.3)

    assert not alive(pid)


def test_a_frozen_process_still_hears_that_it_should_end(run: Run) -> None:
    console = io.StringIO()
    stack = run(None, console, web=SLOW_TO_END)
    stack.start()
    stack.wait_until_ready()
    stack.kill("web", signal.SIGSTOP)

    stack.stop()

    assert "finished" in console.getvalue()


def test_the_vendors_stand_in_ends_after_those_who_wait_for_its_answer(run: Run) -> None:
    console = io.StringIO()
    stack = run(None, console, sandbox=SLOW_TO_END, worker=SLOW_TO_END)
    stack.start()
    stack.wait_until_ready()

    stack.stop()

    assert [line.split()[0] for line in console.getvalue().splitlines() if "finished" in line] == ["worker", "sandbox"]


# The pids are told once the handlers of `run` stand: a signal that comes earlier ends the launcher like any process.
LAUNCHER = f"""
import os, signal, sys
from worker.stack import Says, Stack
stack = Stack(os.environ, procfile={{"web": {SLOW_TO_END!r}, "worker": {SLEEPS!r}}}, console=sys.stdout,
              readiness={{"web": Says("it is up"), "worker": Says("it is up")}})
stack.start()
stack.wait_until_ready()
told = []
def tell():
    if not told and signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
        told.append(print("pids", *stack.pids.values(), flush=True))
sys.exit(stack.run(meanwhile=tell))
"""


@pytest.fixture
def launcher() -> Iterator[tuple["subprocess.Popen[str]", list[int]]]:
    """A process that runs a stack as `make up` does, and the pids of that stack."""
    with subprocess.Popen(
        [sys.executable, "-c", LAUNCHER], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        if process.stdout is None:
            raise RuntimeError("started without a pipe")
        line = next(line for line in process.stdout if line.startswith("pids"))
        yield process, [int(pid) for pid in line.split()[1:]]
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_launcher_that_is_asked_to_end_ends_cleanly(
    launcher: tuple["subprocess.Popen[str]", list[int]], number: signal.Signals
) -> None:
    process, pids = launcher

    os.killpg(process.pid, number)  # as the terminal does: to the whole group
    said, _ = process.communicate(timeout=30)

    assert process.returncode == 0
    assert "web    | finished" in said
    assert not any(alive(pid) for pid in pids)


# Sends itself the signal before the n-th line that `run` and the library under it execute, for n = 0, 1, 2 …
INTERRUPTED_ANYWHERE = """
import os, signal, sys
from worker.stack import Stack

def ends_when_interrupted_before_line(number):
    seen = 0
    def trace(frame, event, argument):
        nonlocal seen
        if event == "line":
            seen += 1
            if seen - 1 == number:
                os.kill(os.getpid(), signal.SIGTERM)
        return trace
    stack = Stack(os.environ, procfile={})
    turns = []
    def meanwhile():
        turns.append(1)
        if len(turns) == 1:
            sys.settrace(trace)
            sys._getframe(1).f_trace = trace
        elif len(turns) > 2:
            raise StopIteration  # the line is not among those of one turn
    try:
        return stack.run(meanwhile=meanwhile) == 0
    except StopIteration:
        return False
    finally:
        sys.settrace(None)

lines = 0
while ends_when_interrupted_before_line(lines):
    lines += 1
print(lines)
"""


def test_a_signal_ends_the_stay_wherever_it_interrupts_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_ANYWHERE],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )

    assert int(done.stdout) >= 4


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the keeper through /proc")
def test_a_keeper_that_was_killed_is_replaced_and_knows_what_its_predecessor_knew() -> None:
    script = (
        "import os, signal, subprocess, time; from worker.keeper import keeper;"
        "made = [subprocess.Popen(['sleep', '600'], start_new_session=True) for _ in range(2)];"
        "keeper.watch(made[0].pid); first = os.popen(f'ps -o pid= --ppid {os.getpid()}').read().split();"
        "keepers = [int(p) for p in first if 'keeper' in open(f'/proc/{p}/cmdline').read()];"
        "[os.kill(p, signal.SIGKILL) for p in keepers]; [os.waitpid(p, 0) for p in keepers];"
        "keeper.watch(made[1].pid); print(len(keepers), made[0].pid, made[1].pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as starter:
        killed, *pids = map(int, (starter.stdout.readline() if starter.stdout else "").split())
        starter.kill()

    assert killed == 1
    assert eventually(lambda: not any(alive(pid) for pid in pids))


def test_a_launcher_that_is_killed_leaves_no_orphan(launcher: tuple["subprocess.Popen[str]", list[int]]) -> None:
    process, pids = launcher

    process.kill()

    assert eventually(lambda: not any(alive(pid) for pid in pids))
