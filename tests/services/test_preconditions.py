"""The headers of a command are read strictly where they protect, and kindly where they only wish."""

from __future__ import annotations

from uuid import UUID

import pytest

from storied.domain.ids import derived_id
from storied.errors import RequestRefused
from storied.services.web.http import Headers
from storied.services.web.preconditions import (
    WAIT_SECONDS,
    Wish,
    command_id_of,
    expected_position,
    idempotency_key,
    spelled,
    wish,
)


def headers(name: str, *values: str) -> Headers:
    """Headers with this one, as often as it has values."""
    return Headers([(name.encode(), value.encode("latin-1")) for value in values])


@pytest.mark.parametrize(
    ("values", "position"),
    [(['"17"'], 17), (['"0"'], 0), (['"17", "21"'], 21), (['"21"', '"17"'], 21), ([], None)],
)
def test_if_match_takes_positions(values: list[str], position: int | None) -> None:
    """Of several the latest: whoever has seen that has seen the others."""
    assert expected_position(headers("if-match", *values)) == position


@pytest.mark.parametrize(
    "value", ["17", 'W/"17"', "*", '"abc"', '"-1"', '""', '"17', '"17" "18"', '"1",', '"' + "9" * 19 + '"', '"\xb2"']
)
def test_if_match_takes_nothing_else(value: str) -> None:
    """A protection that is not understood must not be passed over."""
    with pytest.raises(RequestRefused) as refused:
        expected_position(headers("if-match", value))
    assert refused.value.code == "bad-header"
    assert refused.value.data["errors"][0]["header"] == "If-Match"


def test_if_none_match_is_refused() -> None:
    """It asks for a protection that there is under another name."""
    with pytest.raises(RequestRefused, match='send If-Match: "0"'):
        expected_position(headers("if-none-match", "*"))


def test_if_unmodified_since_is_refused() -> None:
    """A protection that is not there must not be passed over; beside If-Match it means nothing (RFC 9110, 13.1.4)."""
    date = (b"if-unmodified-since", b"Sat, 29 Oct 1994 19:43:31 GMT")
    with pytest.raises(RequestRefused, match="Send If-Match") as refused:
        expected_position(Headers([date]))
    assert refused.value.data["errors"][0]["header"] == "If-Unmodified-Since"
    assert expected_position(Headers([date, (b"if-match", b'"17"')])) == 17


KEYS = {
    "k-1": "k-1",
    '"k-1"': "k-1",
    "a b": "a b",
    "a\\b": "a\\b",
    r'"a\\b\""': 'a\\b"',
    '" "': " ",
    "x" * 255: "x" * 255,
    '"' + r"\\" * 255 + '"': "\\" * 255,
}


@pytest.mark.parametrize("value", KEYS)
def test_a_key_may_stand_in_quotes(value: str) -> None:
    """As the draft standard has it, or bare, as most clients send it; it is told as it can be sent again."""
    key = KEYS[value]
    assert idempotency_key(headers("idempotency-key", value)) == key
    assert idempotency_key(headers("idempotency-key", spelled(key))) == key


def test_a_request_may_have_no_key() -> None:
    """Then nobody can repeat it by itself."""
    assert idempotency_key(headers("other")) is None


@pytest.mark.parametrize(
    "values",
    [
        *([""], ['""'], ["x" * 256], ['"' + "x" * 256 + '"'], ["\xe9"], ['"\xe9"'], ["a\tb"], ["a\x00"]),
        *(
            ['"'],
            ['"k'],
            ['k"'],
            ['k"1'],
            ['"k"1'],
            ['"k" \''],
            ['"k";a=1'],
            ['"a"b"'],
            [r'"k\"'],
            [r'"\k"'],
            ['"k", "k"'],
            ["\xa0k"],
            ["k\x85"],
        ),
        *(["k", "k"], ['"k"', '"k"'], ["k", ""]),
    ],
)
def test_a_key_that_is_none_is_refused(values: list[str]) -> None:
    """A protection that is not understood must not be passed over: in half a pair of quotes, or given twice."""
    with pytest.raises(RequestRefused) as refused:
        idempotency_key(headers("idempotency-key", *values))
    assert (refused.value.code, refused.value.data["errors"][0]["header"]) == ("bad-header", "Idempotency-Key")


def test_a_command_id_depends_on_who_where_and_what() -> None:
    """Keys of two principals, or on two routes, never meet, however their texts are cut."""
    ids = [
        command_id_of("anna", "POST /a", "k"),
        command_id_of("ben", "POST /a", "k"),
        command_id_of("anna", "POST /b", "k"),
        command_id_of("anna", "POST /a", "l"),
        command_id_of("annaPOST /a", "", "k"),
    ]
    assert len(set(ids)) == len(ids)
    assert all(str(UUID(one)) == one for one in ids)
    assert command_id_of("anna", "POST /a", "k") == ids[0]


def test_keys_in_order_give_ids_in_order() -> None:
    """Of keys made a millisecond apart; what is no key of that kind is not taken for one."""
    keys = [derived_id("seed", number, 1_700_000_000_000 + number) for number in range(50)]
    ids = [command_id_of("anna", "POST /a", key) for key in keys]
    assert ids == sorted(set(ids))
    assert all(UUID(one).version == 7 and one not in keys for one in ids)
    assert len({command_id_of(who, "POST /a", keys[0]) for who in ("anna", "ben", "")}) == 3
    assert UUID(command_id_of("anna", "POST /a", keys[0].upper())).version == 5
    assert UUID(command_id_of("anna", "POST /a", keys[0] + "\n")).version == 5


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([], None),
        (["wait=5"], Wish(5.0)),
        (["wait=0.25"], Wish(0.25)),
        (["wait=9999999"], Wish(9999999.0)),
        (["wait=0.1234567"], Wish(0.1234567)),
        (['wait="5"'], Wish(5.0)),
        (['wait=5; views="OrderPage CustomerOverview"'], Wish(5.0, ("OrderPage", "CustomerOverview"))),
        (['wait=5; views="OrderPage, CustomerOverview"'], Wish(5.0, ("OrderPage", "CustomerOverview"))),
        (["wait=5;views=OrderPage"], Wish(5.0, ("OrderPage",))),
        (["wait=OrderPage"], Wish(WAIT_SECONDS, ("OrderPage",))),
        (["return=minimal, WAIT = 3"], Wish(3.0)),
        (["respond-async", "wait=3; foo=bar; views=A"], Wish(3.0, ("A",))),
        (["wait=1, wait=2"], Wish(1.0)),
        (['foo="wait=1, wait=2", wait=3'], Wish(3.0)),
        (['wait=2; views="a\\"b"'], Wish(2.0, ('a"b',))),
        (["return=minimal"], None),
        (["wait"], None),
        (["waits=3"], None),
        (["foo; wait=3"], None),
        (["wait=;"], None),
        (['"'], None),
        (["wait=1" + "0" * 400], Wish(WAIT_SECONDS, ("1" + "0" * 400,))),
    ],
)
def test_a_wish_is_read_as_far_as_it_is_understood(values: list[str], wanted: Wish | None) -> None:
    """What is not is passed over, as preferences are."""
    assert wish(headers("prefer", *values)) == wanted


@pytest.mark.timeout(5)
def test_a_long_wish_takes_no_long_time() -> None:
    """Whatever its shape."""
    for text in ("a" * 60_000, "a=" * 30_000, 'a="' + "\\" * 60_000, "," * 60_000, "a=b;" * 15_000, " " * 60_000):
        assert wish(headers("prefer", text)) is None
