"""What goes wrong in a storm: what runs dies, hangs and forgets, the broker repeats itself, the vendor lies.

It chooses by dice of a seed and keeps a log of what it did. Whether any of it did harm, it does not ask.
"""

import contextlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random  # noqa: TID251 - the same seed must raise the same storm again
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import redis
import requests
from celery import Celery
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from models.job import Job, Queue, QueueMark
from models.shop import Shop
from sandbox import faults
from tests.chaos.scene import READ_SECONDS, Scene
from worker.chance import new_id
from worker.clock import unix_ms
from worker.stack import StackError

_TOKYO = ZoneInfo("Asia/Tokyo")
_PLAYS_A_SCRIPT = 60
_HARMLESS = 0.04
"""The part of all requests at the vendor at which nothing special happens; of those that it takes there are more."""
_PLAIN_ACCEPTS: Mapping[str, int] = {"sms": 12, "mail": 8}
"""Among the answers of a deck: only what is taken has a fate and receipts, and of those there are many kinds."""
_STEP = timedelta(seconds=30)
_STEPS_EVERY_SECONDS = 2
"""Business time goes in steps: for a second after each, processes that cache the clock disagree about it. They are
shorter than an account rests that refused us: with longer ones all accounts would rest most of the time."""
_KNOCKS_EVERY_SECONDS = 10
_SLOWER_THAN_WE_WAIT = READ_SECONDS + 1.5
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "accept_then_slow": {"seconds": _SLOWER_THAN_WE_WAIT},
    "slow_then_accept": {"seconds": _SLOWER_THAN_WE_WAIT},
    "receipts_late": {"seconds": 90},
    "receipts_duplicated": {"copies": 3},
}
_LONGER_THAN_ANY_SMS_IS_VALID = 40_000


@dataclass(frozen=True)
class Event:
    """One thing that was done, so many seconds after the beginning."""

    at_seconds: float
    what: str


class Weather:
    """What the three parts of the adversary share: the log, and whether it is still on."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.over = threading.Event()
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def note(self, what: str) -> None:
        """Keep that this was done now."""
        with self._lock:
            self.events.append(Event(round(time.monotonic() - self._began, 1), what))

    @property
    def counts(self) -> Counter[str]:
        """How often each thing was done."""
        return Counter(event.what for event in self.events)


class Broker:
    """A way to the broker past everything that takes care."""

    def __init__(self, scene: Scene) -> None:
        self._app = Celery(broker=scene.redis.url)
        self._app.conf.broker_transport_options = {"socket_timeout": 2, "socket_connect_timeout": 2}

    def publish(self, messages: Iterable[tuple[str, str, str, Mapping[str, Any]]]) -> int:
        """Publish (id, name, queue, arguments), and return how many the broker took before it failed, if it did."""
        published = 0
        try:
            with self._app.connection_for_write() as connection:
                # An explicit channel: the lazy one retries a refused connection without end.
                producer = self._app.amqp.Producer(connection.channel())
                for task_id, name, queue, arguments in messages:
                    self._app.send_task(
                        name, kwargs=arguments, task_id=task_id, queue=queue, producer=producer, retry=False
                    )
                    published += 1
        except Exception:  # noqa: BLE001 - whatever a broker that is down raises
            return published
        return published

    def knock(self) -> None:
        """Knock as beat does once a minute, for what would else take a minute of a short storm."""
        names = ("message.poll_unreported", "vendors.let_shares_drift")
        self.publish((str(new_id(unix_ms())), name, str(Queue.SWEEPS), {}) for name in names)


class Vandal:
    """Kills, freezes, flushes and repeats: one thing every moment or so, from a deck that is shuffled anew."""

    def __init__(self, scene: Scene, weather: Weather, *, seed: int) -> None:
        self._scene = scene
        self._weather = weather
        self._dice = Random(f"{seed}:vandal")  # noqa: S311 - not for secrets
        self._broker = Broker(scene)
        self._remembered: list[tuple[str, str, str, dict[str, Any]]] = []
        self._frozen: set[str] = set()
        self._thawing: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._run, name="vandal", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and leave everything running and thawed."""
        self._thread.join()
        for each in self._thawing:
            each.join()
        self._revive_all()
        self._scene.stack.wait_until_ready(timeout_seconds=120)

    def _deck(self) -> list[Callable[[], None]]:
        workers = [name for name in self._scene.stack.names if name.startswith("worker-")]
        deck = [self._killing(name) for name in workers]
        deck += [self._freezing(self._dice.choice(workers), 12.0) for _ in range(2)]
        deck += [self._killing(name) for name in ("api", "api", "beat", "sandbox", "sandbox")]
        deck += [self._freezing("sandbox", 4.0), self._freezing("api", 3.0)]
        deck += [self._flush_redis] * 3 + [self._freeze_redis, self._kill_redis, self._kill_redis]
        deck += [self._restart_postgres, self._kill_postgres]
        deck += [self._shut_the_vendors_door] * 8
        deck += [self._repeat_messages] * 6 + [self._send_strays] * 4
        self._dice.shuffle(deck)
        return deck

    def _run(self) -> None:
        while not self._weather.over.is_set():
            for act in self._deck():
                if self._weather.over.wait(self._dice.uniform(0.8, 3.4)):
                    return
                try:
                    act()
                except (StackError, DBAPIError, requests.RequestException, redis.RedisError, OSError):
                    # It was down already; that is bad weather enough.
                    self._weather.note("a blow that hit nothing")
                self._revive_all()

    def _revive_all(self) -> None:
        """A supervisor that never gives up: who died, of us or of itself, is started at once."""
        for name in self._scene.stack.names:
            if name not in self._scene.stack.pids:
                self._scene.stack.bring_up(name)

    # Processes

    def _killing(self, name: str) -> Callable[[], None]:
        def act() -> None:
            self._scene.stack.kill(name)
            self._weather.note(f"kill -9 {name}")

        return act

    def _freezing(self, name: str, most_seconds: float) -> Callable[[], None]:
        def act() -> None:
            seconds = self._dice.uniform(0.5, most_seconds)
            self._hold(name, seconds, lambda number: self._scene.stack.kill(name, number))

        return act

    def _hold(self, name: str, seconds: float, send: Callable[[signal.Signals], object]) -> None:
        """Stop something and let it go on later, while other things go wrong."""
        if name in self._frozen:
            return
        self._frozen.add(name)
        send(signal.SIGSTOP)
        self._weather.note(f"freeze {name}")

        def thaw() -> None:
            time.sleep(seconds)
            with contextlib.suppress(StackError):
                send(signal.SIGCONT)
            self._frozen.discard(name)

        self._thawing = [each for each in self._thawing if each.is_alive()]
        self._thawing.append(threading.Thread(target=thaw, daemon=True))
        self._thawing[-1].start()

    # Servers

    def _flush_redis(self) -> None:
        with redis.Redis.from_url(self._scene.redis.url, socket_timeout=2, socket_connect_timeout=2) as client:
            client.flushall()
        self._weather.note("flush redis")

    def _freeze_redis(self) -> None:
        def send(number: signal.Signals) -> None:
            self._scene.redis.freeze() if number is signal.SIGSTOP else self._scene.redis.thaw()

        self._hold("redis", self._dice.uniform(0.5, 5.0), send)

    def _kill_redis(self) -> None:
        self._scene.redis.kill()
        time.sleep(self._dice.uniform(0.0, 2.0))
        self._scene.redis.start()
        self._weather.note("kill -9 redis")

    def _restart_postgres(self) -> None:
        self._scene.postgres.stop()
        time.sleep(self._dice.uniform(0.0, 1.0))
        self._scene.postgres.start()
        self._weather.note("restart postgresql")

    def _kill_postgres(self) -> None:
        self._scene.postgres.kill()
        time.sleep(self._dice.uniform(0.0, 1.0))
        self._scene.postgres.start()
        self._weather.note("kill -9 postgresql")

    def _shut_the_vendors_door(self) -> None:
        seconds = round(self._dice.uniform(0.2, 0.8), 2)
        requests.post(f"{self._scene.sandbox}/_away", json={"seconds": seconds}, timeout=2).raise_for_status()
        self._weather.note("refuse connections at the vendor")

    # The broker

    def _repeat_messages(self) -> None:
        """Say again what the broker has been told, several times over."""
        with self._scene.database.snapshot() as session:
            rung = session.scalars(select(Job).where(Job.rung_at.is_not(None)).limit(25)).all()
        told = [(str(each.id), each.name, each.queue, each.args) for each in rung]
        self._remembered = [*self._remembered, *told][-500:]
        self._publish([each for each in told for _ in range(self._dice.randint(1, 4))], "repeat what is rung")

    def _send_strays(self) -> None:
        """Send what nobody owes: jobs done long ago, ids that never were, marks of long ago."""
        old = self._dice.sample(self._remembered, min(20, len(self._remembered)))
        strangers = [
            (str(stranger), "message.deliver_message", str(Queue.DELIVERY), {"message_id": str(stranger)})
            for stranger in (self._unheard_of() for _ in range(3))
        ]
        with self._scene.database.snapshot() as session:
            marks = session.scalars(select(QueueMark).where(QueueMark.sent_at.is_not(None))).all()
        again = [
            (
                str(self._unheard_of()),
                "jobs.return_mark",
                mark.queue,
                {"queue": mark.queue, "sent_at": _before(mark.sent_at).isoformat()},
            )
            for mark in marks
        ]
        self._publish([*old, *strangers, *again], "strays")

    def _unheard_of(self) -> UUID:
        return new_id(unix_ms())

    def _publish(self, messages: list[tuple[str, str, str, dict[str, Any]]], what: str) -> None:
        for _ in range(self._broker.publish(messages)):
            self._weather.note(f"broker: {what}")


class Liar:
    """Keeps scripts posted at the vendor, so that every kind of fault is met about as often as every other."""

    def __init__(self, scene: Scene, weather: Weather, *, seed: int) -> None:
        self._scene = scene
        self._weather = weather
        self._dice = Random(f"{seed}:liar")  # noqa: S311 - not for secrets
        self._decks: dict[str, list[str]] = {}
        with scene.database.snapshot() as session:
            self._mailboxes = list(session.scalars(select(Shop.notice_email)))
        self._thread = threading.Thread(target=self._run, name="liar", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Tell the truth from now on."""
        self._thread.join()
        requests.delete(f"{self._scene.sandbox}/_script", timeout=10).raise_for_status()
        self._lift()

    def _run(self) -> None:
        while not self._weather.over.wait(0.5):
            try:
                self._top_up()
                self._lift()
            except requests.RequestException:
                continue

    def _top_up(self) -> None:
        posted = requests.get(f"{self._scene.sandbox}/_script", timeout=2).json()["scripts"]
        served = {script["script"]["match"].get("channel") for script in posted}
        for channel in faults.CHANNELS:
            if channel not in served:
                plays = [self._play(channel) for _ in range(_PLAYS_A_SCRIPT)]
                script = {"match": {"channel": channel}, "plays": plays}
                requests.post(f"{self._scene.sandbox}/_script", json=script, timeout=2).raise_for_status()

    def _lift(self) -> None:
        """The shops' own mailboxes bounce and report like anybody's; their owners see to it."""
        for mailbox in self._mailboxes:
            requests.delete(f"{self._scene.sandbox}/_suppress", params={"email": mailbox}, timeout=2)

    def _play(self, channel: faults.Channel) -> list[dict[str, Any]]:
        """An answer; where it takes the message, often a fate and something about the receipts as well."""
        if self._dice.random() < _HARMLESS:
            return [_act("accept")]
        kind = faults.BY_NAME[self._deal(channel, "answer")]
        play = [_act(kind.name)]
        if kind.accepts:
            fate = [self._fate(channel)] if self._dice.random() < 0.92 else []
            # What is dropped has no receipts to be late, lost or doubled.
            told = {"kind": "accept_then_drop"} not in fate and self._dice.random() < 0.5
            play += [*fate, *([_act(self._deal(channel, "receipts"))] if told else [])]
        return play

    def _fate(self, channel: faults.Channel) -> dict[str, Any]:
        """A fate; most SMS that the vendor queues stay there until they are not valid any more."""
        act = _act(self._deal(channel, "fate"))
        if act["kind"] == "queue_for" and channel == "sms" and self._dice.random() < 0.75:
            act["seconds"] = _LONGER_THAN_ANY_SMS_IS_VALID
        return act

    def _deal(self, channel: faults.Channel, part: faults.Part) -> str:
        deck = self._decks.setdefault(f"{channel}/{part}", [])
        if not deck:
            kinds = [kind for kind in faults.KINDS if kind.part == part and channel in kind.channels]
            # What happens on one channel only must be met there as often as the rest is on both.
            deck += [kind.name for kind in kinds for _ in range(3 - len(kind.channels))]
            deck += ["accept"] * _PLAIN_ACCEPTS[channel] if part == "answer" else []
            # On one channel it is two: what comes late, and what is not valid any more by then.
            deck += ["queue_for"] * 2 if part == "fate" and channel == "sms" else []
            self._dice.shuffle(deck)
        return deck.pop()


class Hours:
    """Moves everybody's clock: by minutes all the time, and now and then to where reminders fall due."""

    def __init__(self, scene: Scene, weather: Weather, *, jumps: int, seconds: float) -> None:
        self._scene = scene
        self._weather = weather
        self._jump_every_seconds = seconds / (jumps + 1)
        self._broker = Broker(scene)
        self._thread = threading.Thread(target=self._run, name="hours", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Let time pass as it does."""
        self._thread.join()

    def _run(self) -> None:
        next_jump = time.monotonic() + self._jump_every_seconds
        seconds = 0
        while not self._weather.over.wait(1.0):
            seconds += 1
            if seconds % _KNOCKS_EVERY_SECONDS == 0:
                self._broker.knock()
            with contextlib.suppress(DBAPIError):
                if seconds % _STEPS_EVERY_SECONDS == 0:
                    self._scene.clock.advance(_STEP)
                if time.monotonic() >= next_jump:
                    to_next_hour(self._scene)
                    self._weather.note("move the clock by hours")
                    next_jump += self._jump_every_seconds


def to_next_hour(scene: Scene) -> None:
    """Move the clock to the next morning at ten past ten, or to the next evening at five past six, in Tokyo."""
    now = scene.clock.now().astimezone(_TOKYO)
    hours = [now.replace(hour=18, minute=5, second=0), now.replace(hour=10, minute=10, second=0)]
    scene.clock.advance(min(_after(at, now) for at in hours) - now)


def _after(at: datetime, now: datetime) -> datetime:
    return at if at > now else at + timedelta(days=1)


def _before(at: datetime | None) -> datetime:
    if at is None:
        raise ValueError("a mark that was never sent")
    return at


def _act(kind: str) -> dict[str, Any]:
    return {"kind": kind, **_OPTIONS.get(kind, {})}
