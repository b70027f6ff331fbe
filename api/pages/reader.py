"""Who reads a page: in which language, and whether they chose it. It knows words and addresses, no booking."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from urllib.parse import urlencode, urlsplit

from fastapi import Request
from markupsafe import Markup, escape

from worker.settings import settings

LANGUAGES = ("ja", "en")
_CHOICE = "lang"


@dataclass(frozen=True)
class Reader:
    """One request's reader.

    Attributes:
        language: "ja" or "en".
        has_chosen: whether `?lang=` named it; then it travels on with every link of the page.
    """

    language: str
    has_chosen: bool = False

    @classmethod
    def of(cls, request: Request, *, usual: str | None = None, otherwise: str = "ja") -> "Reader":
        """Return the reader: what they chose, else what is `usual` for them, else what their browser asks for.

        Args:
            request: with `?lang=` and Accept-Language.
            usual: the language of their booking; it goes before the browser's.
            otherwise: the shop's language, when nobody names one that we speak.
        """
        chosen = request.query_params.get(_CHOICE)
        if chosen in LANGUAGES:
            return cls(chosen, has_chosen=True)
        if usual in LANGUAGES:
            return cls(usual)
        return cls(_accepted(request.headers.get("accept-language", "")) or otherwise)

    def says(self, key: str, **values: object) -> Markup:
        """Return the words for `key`, such as "shop.title"; values are escaped unless they are markup already.

        Raises:
            KeyError: there are no such words, or they want a value that was not given.
        """
        return escape(words(self.language)[key]).format(**values)

    def url(self, path: str, query: Mapping[str, str | list[str]] | None = None, **more: str) -> str:
        """Return the address of one of our pages, under PUBLIC_URL's path, in the language that was chosen."""
        asked: dict[str, str | list[str]] = {**(query or {}), **more}
        if self.has_chosen:
            asked.setdefault(_CHOICE, self.language)
        tail = urlencode({name: value for name, value in asked.items() if value}, doseq=True)
        return f"{urlsplit(settings().public_url).path.rstrip('/')}{path}" + (f"?{tail}" if tail else "")

    def other_language(self) -> "Reader":
        """Return the same reader after a tap on the other language's name."""
        return Reader("en" if self.language == "ja" else "ja", has_chosen=True)


@cache
def words(language: str) -> Mapping[str, str]:
    """Return key → words of one language, from `words/<language>.toml`."""
    text = resources.files("api.pages").joinpath("words", f"{language}.toml").read_text(encoding="utf-8")
    return {
        f"{section}.{name}": said for section, entries in tomllib.loads(text).items() for name, said in entries.items()
    }


def _accepted(header: str) -> str | None:
    """Return the language of ours that an Accept-Language header likes best (RFC 9110 §12.5.4)."""
    wishes: list[tuple[float, str]] = []
    for part in header.split(","):
        name, _, weight = part.partition(";")
        language = name.strip().split("-")[0].lower()
        try:
            liking = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            liking = 0.0
        if language in LANGUAGES and liking > 0:
            wishes.append((liking, language))
    # The first of equals is kept: that is the order the reader gave.
    return max(wishes, key=lambda wish: wish[0])[1] if wishes else None
