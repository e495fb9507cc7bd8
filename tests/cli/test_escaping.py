"""Text from a store is harmless for a terminal, and JSON still means the same."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from storied.cli.escaping import compact_json, visible, visible_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT)
@example("\x1b[31m\x9b\u202e\u2028\U000e0001")
def test_what_is_printed_can_be_seen(text: str) -> None:
    """No control character, line end or mark of direction is left; blanks of any width are."""
    shown = visible(text)
    assert all(character.isprintable() or character.isspace() for character in shown)
    assert len(shown.splitlines()) <= 1


@given(TEXT)
@example("\x7f\x9b\u202e\U000e0001")
def test_json_means_what_it_meant(text: str) -> None:
    """A parser gets the very text, and a terminal nothing that it would obey."""
    shown = visible_json({text: [text]})
    assert json.loads(shown) == {text: [text]}
    assert len(shown.splitlines()) == 1
    assert all(character.isprintable() or character.isspace() for character in shown)


def test_text_that_can_be_seen_is_left_alone() -> None:
    """Letters of any script, emoji, and the blanks of French prices."""
    for text in ("abc", "日本 🦊", "10\u202f\u20ac", "a\xa0b", "\\x1b"):
        assert visible(text) == text


def test_stored_json_keeps_its_digits_on_one_line() -> None:
    """White space around the parts goes, the parts stay."""
    text = '{ "a" : 1.10,\n "b": [1e5, "x  y"] }'
    assert bytes(compact_json(text)) == b'{"a":1.10,"b":[1e5,"x  y"]}'
