"""Hunting for what was planted: in which forms it may stand somewhere, and all the places where it may stand.

It knows nothing of what is planted, nor of what is played.
"""

import base64
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import redis as redis_client
import requests
from psycopg import sql
from sqlalchemy.engine import make_url

# What holds digits by nature and is no code: ids, digests, instants.
INNOCENT = re.compile(
    rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32,}"
    rb"|\d{2}:\d{2}:\d{2}[.,]\d+|\b\d{9,}(\.\d+)?\b|\b\d+\.\d{3,}\b"
)


def forms(secret: str) -> set[bytes]:
    """Return a secret as it is, as URLs, JSON and hexadecimal digits write it, and each of these in base64."""
    plain = {secret, quote(secret, safe=""), json.dumps(secret)[1:-1]}
    if secret.startswith("+"):
        plain |= {secret.removeprefix("+"), secret.removeprefix("+81")}
    found = {form.encode() for form in plain}
    encoded = {core for form in found for core in _in_base64(form)}
    return found | encoded | {secret.encode().hex().encode()}


def _in_base64(data: bytes) -> Iterator[bytes]:
    """Yield what stands in every base64 text that contains `data`, at each of the three places it may begin."""
    for before in range(3):
        whole = base64.b64encode(bytes(before) + data)
        core = whole[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))


def hunted(secrets: Mapping[str, str], place: bytes) -> set[str]:
    """Return the names of the secrets that can be read in a place, in any of their forms."""
    found = {name for name, secret in secrets.items() if any(form in place for form in forms(secret))}
    return {name for name in found if not name.startswith("code") or _is_code(secrets[name], place)}


def _is_code(code: str, place: bytes) -> bool:
    """Whether six digits stand there that are not a part of something else."""
    rest = INNOCENT.sub(b" ", place)
    alone = rb"(?<!\d)" + code.encode() + rb"(?!\d)"
    return re.search(alone, rest) is not None or any(form in rest for form in forms(code) - {code.encode()})


def everything_in(broker: redis_client.Redis) -> dict[str, bytes]:
    """Return each key with what it holds, as the server dumps it and as a client reads it."""
    found: dict[str, bytes] = {}
    client: Any = broker  # its answers are typed for clients that decode them as well
    for key in client.keys("*"):
        kind = client.type(key)
        read = repr(client.lrange(key, 0, -1)).encode() if kind == b"list" else b""
        read += repr(client.hgetall(key)).encode() if kind == b"hash" else b""
        found[f"{key.decode()} {len(found)}"] = key + (client.dump(key) or b"") + read
    return found


def flower_pages(running: Any) -> dict[str, bytes]:
    """Return what Flower tells an operator, page by page."""
    pages = [
        "/api/tasks",
        "/api/workers",
        "/api/task/types",
        "/api/queues/length",
        "/",
        "/tasks",
        "/workers",
        "/broker",
    ]
    found = {page: _page(running, page) for page in pages}
    tasks = json.loads(found["/api/tasks"])
    found |= {f"/task/{task}": _page(running, f"/task/{task}") for task in list(tasks)[:40]}
    worker = next(iter({each["worker"] for each in tasks.values()}), None)
    return found | ({f"/worker/{worker}": _page(running, f"/worker/{worker}")} if worker else {})


def _page(running: Any, page: str) -> bytes:
    answer = requests.get(f"{running.flower}{page}", timeout=30)
    assert answer.status_code == 200, page
    return answer.content


def tables(running: Any) -> dict[str, bytes]:
    """Return every row as text; of SQLite the files as well, with whatever deleted rows left behind in them."""
    url = make_url(running.environment["DATABASE_URL"])
    if url.get_backend_name() == "sqlite":
        with closing(sqlite3.connect(str(url.database))) as file:
            dump = "\n".join(file.iterdump()).encode()
        return {"rows": dump} | {each.name: read(each) for each in running.folder.glob("toritsugi.db*")}
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain) as connection:
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        return {
            name: "\n".join(
                row for (row,) in connection.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(name)))
            ).encode()
            for (name,) in names
        }


def files_below(folder: Path) -> list[Path]:
    """Return every file under a folder."""
    return [file for file in folder.rglob("*") if file.is_file()]


def read(file: Path) -> bytes:
    """Return what stands in a file."""
    return file.read_bytes()
