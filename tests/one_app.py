"""The app as tests ask it: made once a process, for to make its routes takes longer than most tests do."""

from functools import cache

from fastapi import FastAPI

from api.app import create_app


@cache
def one_app() -> FastAPI:
    """Return the app. It keeps nothing of its own: settings and database are asked for anew with each request."""
    return create_app()
