"""What the pages say: the same in both languages, and nothing that a template asks for is missing."""

import re
import string
from importlib import resources

from api.pages.reader import words

_ASKED = re.compile(r"""\bt\(\s*"([a-z_]+\.[a-z0-9_]+)"\s*[,)]""")


def test_both_languages_have_the_same_words_with_the_same_placeholders() -> None:
    def placeholders(said: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(said) if name}

    japanese, english = words("ja"), words("en")

    assert japanese.keys() == english.keys()
    assert {key: placeholders(said) for key, said in japanese.items()} == {
        key: placeholders(said) for key, said in english.items()
    }


def test_every_word_that_a_template_asks_for_exists() -> None:
    folder = resources.files("api.pages").joinpath("templates")

    asked = {key for file in folder.iterdir() for key in _ASKED.findall(file.read_text(encoding="utf-8"))}

    assert len(asked) > 50
    assert asked - words("ja").keys() == set()


def test_no_word_is_left_empty() -> None:
    assert [key for language in ("ja", "en") for key, said in words(language).items() if not said.strip()] == []
