"""The few files that pages load. Their addresses hold a hash of their content, so they may be kept for ever."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib import resources

from fastapi import APIRouter
from fastapi.responses import Response

from api.problems import Problem

router = APIRouter()
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_HASH_LETTERS = 12


@router.api_route("/assets/{name}", methods=["GET", "HEAD"])
def show(name: str) -> Response:
    """Return one file by its hashed name."""
    content = _contents().get(name)
    if content is None:
        raise Problem(404, "not_found", "There is no such file.")
    return Response(
        content,
        media_type=_TYPES[name.rsplit(".", 1)[1]],
        headers={"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"},
    )


@cache
def hashed_name(name: str) -> str:
    """Return the name under which `name`, such as "pages.css", is served."""
    stem, _, ending = name.rpartition(".")
    return f"{stem}-{sha256(_read(name)).hexdigest()[:_HASH_LETTERS]}.{ending}"


@cache
def _contents() -> Mapping[str, bytes]:
    files = resources.files("api.pages").joinpath("static").iterdir()
    return {hashed_name(file.name): _read(file.name) for file in files if file.name.rpartition(".")[2] in _TYPES}


def _read(name: str) -> bytes:
    return resources.files("api.pages").joinpath("static", name).read_bytes()
