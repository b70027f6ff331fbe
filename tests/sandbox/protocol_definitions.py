"""LiveKit's published definitions, read, and JSON held to them by the rules that Protocol Buffers give for JSON.

Source: https://protobuf.dev/programming-guides/json/ (names in either form, 64-bit numbers as text, enums by name).
"""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("livekit_protocol")

_TOKEN = re.compile(r'"[^"]*"|[\w.]+|[{}\[\]()<>=;,]')
_TEXT = re.compile(r"-?\d+")
_WHOLE = {"int32", "uint32", "sint32", "fixed32", "sfixed32"}
_LONG = {"int64", "uint64", "sint64", "fixed64", "sfixed64"}


@dataclass
class Message:
    """One message: type of each field, by both of its names; `repeated` and `map` are marked by a prefix."""

    name: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass
class Definitions:
    """Everything that the excerpts define."""

    messages: dict[str, Message] = field(default_factory=dict)
    enums: dict[str, set[str]] = field(default_factory=dict)
    calls: dict[str, tuple[str, str]] = field(default_factory=dict)


@cache
def definitions() -> Definitions:
    """Return what the excerpts define."""
    found = Definitions()
    for path in sorted(FOLDER.glob("*.proto")):
        text = re.sub(r"//[^\n]*", "", path.read_text())
        _read(iter(_TOKEN.findall(text)), found, inside=None)
    assert found.messages
    assert found.enums
    assert found.calls
    return found


def faults_of(value: Any, message: str, *, where: str = "") -> list[str]:
    """Say what about a JSON object a reader of these definitions could not take for this message."""
    if not isinstance(value, dict):
        return [f"{where or message} is no object"]
    known = definitions().messages[message].fields
    faults = []
    for name, each in value.items():
        place = f"{where or message}.{name}"
        faults += [f"{place} is not defined"] if name not in known else _faults(each, known[name], message, place)
    return faults


def _faults(value: Any, kind: str, message: str, place: str) -> list[str]:
    if kind.startswith("repeated "):
        if not isinstance(value, list):
            return [f"{place} is no list"]
        return [fault for each in value for fault in _faults(each, kind.removeprefix("repeated "), message, place)]
    if kind.startswith("map "):
        return [] if isinstance(value, dict) else [f"{place} is no map"]
    if kind in definitions().messages:
        return faults_of(value, kind, where=place)
    enum = definitions().enums.get(f"{message}.{kind}") or definitions().enums.get(kind)
    if enum is not None:
        return [] if value in enum else [f"{place} is none of the enum"]
    return [] if _is_of(value, kind) else [f"{place} is no {kind}"]


def _is_of(value: Any, kind: str) -> bool:
    """Whether a value is of a scalar kind; one that the excerpts leave out is none."""
    if kind in _LONG:
        return isinstance(value, str) and _TEXT.fullmatch(value) is not None
    if kind in _WHOLE:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, {"string": str, "bool": bool}.get(kind, _LeftOut))


class _LeftOut:
    """Nothing is of it."""


def _read(tokens: Any, found: Definitions, *, inside: str | None) -> None:
    for token in tokens:
        if token == "message":
            _message(next(tokens), tokens, found)
        elif token == "enum":
            _enum(f"{inside}.{next(tokens)}" if inside else next(tokens), tokens, found)
        elif token == "rpc":
            name, _, asked, _, _, _, answered, _ = (next(tokens) for _ in range(8))
            found.calls[name] = (asked, answered)


def _message(name: str, tokens: Any, found: Definitions) -> None:
    message = found.messages[name] = Message(name)
    assert next(tokens) == "{"
    for token in tokens:
        if token == "}":
            return
        if token == "enum":
            _enum(f"{name}.{next(tokens)}", tokens, found)
            continue
        kind = token
        if kind in {"repeated", "optional"}:
            kind = f"repeated {next(tokens)}" if kind == "repeated" else next(tokens)
        elif kind == "map":
            kind = "map " + "".join(next(tokens) for _ in range(5))
        snake = next(tokens)
        head, *rest = snake.split("_")
        message.fields[snake] = message.fields[head + "".join(part.capitalize() for part in rest)] = kind
        _skip(tokens)


def _enum(name: str, tokens: Any, found: Definitions) -> None:
    assert next(tokens) == "{"
    members = found.enums[name] = set()
    for token in tokens:
        if token == "}":
            return
        members.add(token)
        _skip(tokens)


def _skip(tokens: Any) -> None:
    """Pass over the rest of a statement: its number and its options."""
    for token in tokens:
        if token == ";":
            return
