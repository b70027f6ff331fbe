"""A calling system in a process of its own: posts bodies over kept connections as fast as they are answered.

Speaks plain HTTP and imports nothing of the project, so that it costs the machine little.

Reads from standard input `{"host", "port", "path", "key", "connections", "bodies"}`, writes to standard output
`{"seconds", "statuses", "milliseconds"}`: the whole time, answers by status, and each request's time in order.
"""

import http.client
import json
import sys
import threading
import time
from collections import Counter, deque
from typing import Any


def main() -> None:
    """Post everything."""
    asked = json.load(sys.stdin)
    waiting: deque[tuple[str, bytes]] = deque(
        (f"bench-{place}-{asked['run']}", json.dumps(body).encode()) for place, body in enumerate(asked["bodies"])
    )
    statuses: Counter[int] = Counter()
    spans: list[float] = []
    callers = [
        threading.Thread(target=_call, args=(asked, waiting, statuses, spans)) for _ in range(asked["connections"])
    ]
    began = time.monotonic()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    seconds = time.monotonic() - began
    json.dump({"seconds": seconds, "statuses": statuses, "milliseconds": [1000 * span for span in spans]}, sys.stdout)


def _call(asked: dict[str, Any], waiting: deque[tuple[str, bytes]], statuses: Counter[int], spans: list[float]) -> None:
    connection = http.client.HTTPConnection(asked["host"], asked["port"], timeout=60)
    headers = {"Authorization": f"Bearer {asked['key']}", "Content-Type": "application/json"}
    while True:
        try:
            key, body = waiting.popleft()
        except IndexError:
            break
        began = time.monotonic()
        connection.request("POST", asked["path"], body, {**headers, "Idempotency-Key": key})
        answer = connection.getresponse()
        answer.read()
        spans.append(time.monotonic() - began)
        statuses[answer.status] += 1
    connection.close()


if __name__ == "__main__":
    main()
