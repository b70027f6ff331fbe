"""The API as the commands meet it that are its clients: one address, one key, and one end where it refuses or is away.

It refuses to know what is asked: each command knows its own paths, and how it shows what came.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from worker.settings import settings

DONE, REFUSED, WRONG_USE, UNREACHABLE = 0, 1, 2, 3
"""What these commands answer: it is done, the API refused, wrong use, the API cannot be reached."""
Said = Mapping[str, Any]
"""A refusal's body, RFC 9457."""
_SECONDS = 30


class RefusedError(Exception):
    """The API refused; bears what it said."""

    def __init__(self, problem: Said) -> None:
        super().__init__(problem.get("code", "refused"))
        self.problem = problem


class WrongUseError(Exception):
    """What was named is not there, or not one; or a file cannot be read."""


@dataclass(frozen=True)
class Api:
    """The API as one key sees it.

    Attributes:
        url: where it is, without a slash at its end.
        key: the bearer token.
    """

    url: str
    key: str

    def ask(self, method: str, path: str, *, tries: int = 1, **request: Any) -> requests.Response:
        """Ask, and return the answer, which is a good one.

        Args:
            method: such as `GET`.
            path: behind the address, such as `/v1/messages`.
            tries: how often to ask if the connection fails; more than once only what may be done twice, such as
                anything under an idempotency key.
            request: as `requests.request` takes it.

        Raises:
            RefusedError: the API refused.
            requests.RequestException: it cannot be reached, or what answers is not the API.
        """
        headers = {"Authorization": f"Bearer {self.key}", **request.pop("headers", {})}
        for left in reversed(range(tries)):
            try:
                answer = requests.request(method, self.url + path, headers=headers, timeout=_SECONDS, **request)
            except requests.ConnectionError:
                if not left:
                    raise
            else:
                break
        if not answer.ok:
            raise RefusedError(_problem(answer))
        return answer


def api(*, url: str | None = None, key: str | None = None) -> Api:
    """Return the API: as the command line names it, else as the environment does, else at its public address."""
    where = url or os.environ.get("TORITSUGI_URL") or settings().public_url
    return Api(where.rstrip("/"), key or os.environ.get("TORITSUGI_API_KEY", ""))


def refusal(problem: Said) -> Iterator[str]:
    """Yield what the API refused, and the places of the faults."""
    yield f"{problem.get('code', 'refused')}: {problem.get('detail', 'the API refused')}"
    yield from (f"  {fault['pointer']}: {fault['detail']}" for fault in problem.get("errors", ()))


def run(there: Api, act: Callable[[], Iterable[str]], *, refused_as: Callable[[Said], Iterable[str]] = refusal) -> int:
    """Do it, print each line of it, and return the command's code.

    Args:
        there: whom `act` asks.
        act: what is done; yields what is to be said.
        refused_as: what is said of a refusal.
    """
    try:
        for line in act():
            print(line)  # noqa: T201 - a command talks to its terminal
    except RefusedError as refused:
        _complain(*refused_as(refused.problem))
        return REFUSED
    except WrongUseError as error:
        _complain(str(error))
        return WRONG_USE
    except requests.RequestException as error:
        _complain(
            f"the API at {there.url} cannot be reached ({_why(error)})",
            "see that it runs, and that TORITSUGI_URL says where; then ask again",
            "if something was to be done, look first whether it was done: the answer may have been lost",
        )
        return UNREACHABLE
    return DONE


def _problem(answer: requests.Response) -> Said:
    try:
        problem = answer.json()
    except requests.JSONDecodeError:
        problem = None
    if isinstance(problem, dict):
        return problem
    # A proxy speaks for an API that is down.
    raise requests.HTTPError(response=answer)


def _why(error: requests.RequestException) -> str:
    return type(error).__name__ if error.response is None else f"HTTP {error.response.status_code}"


def _complain(*lines: str) -> None:
    for line in lines:
        print(line, file=sys.stderr)  # noqa: T201 - a command talks to its terminal


__all__ = [
    "DONE",
    "REFUSED",
    "UNREACHABLE",
    "WRONG_USE",
    "Api",
    "RefusedError",
    "Said",
    "WrongUseError",
    "api",
    "refusal",
    "run",
]
