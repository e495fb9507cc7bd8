"""Blaming: whose mistake it is that a query function's own question cannot be asked, and what each is told. Pure.

A value that the client has sent is the client's, who is told of the parameter it came in. Everything else is the
function's: its author is told in the server's log, in the words of the code, and the client that the server failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from storied.domain.showing import shown
from storied.errors import DefinitionError, InvalidQuery, NotIndexed, RequestRefused, StoriedError
from storied.services.querying.listing import bad_parameter

BAD_CURSOR = "bad-cursor"


def told(error: InvalidQuery | NotIndexed, query: str, arguments: Mapping[str, Any]) -> StoriedError:
    """What is raised in the place of an error that a question of *query* met, which was asked with these arguments."""
    for name, value in _values(arguments):
        if isinstance(error, NotIndexed):
            if isinstance(value, str) and error.field in (value, value.removeprefix("-")):
                return _not_indexed(name, error)
        elif error.detail and (value is error.value or value == error.value):
            return refused(name, error)
    return DefinitionError(f"query {query} asks what cannot be asked: {error}")


def _values(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each value by the parameter it came in; of one that may stand several times, each of them."""
    for name, argument in arguments.items():
        several = isinstance(argument, (list, tuple, set, frozenset))
        for value in argument if several else (argument,):
            yield name, value


def refused(name: str, error: InvalidQuery) -> RequestRefused:
    """The refusal of the value that came in this parameter."""
    if error.code != BAD_CURSOR:
        return bad_parameter(name, error.detail)
    told = f"The parameter {shown(name)} cannot be that: {error.detail}."
    return RequestRefused(BAD_CURSOR, told, data={"errors": [{"parameter": name, "detail": error.detail}]})


def _not_indexed(name: str, error: NotIndexed) -> RequestRefused:
    detail = f"{shown(error.field)} is not indexed"
    known = f"There are {', '.join(error.indexed)}" if error.indexed else "There is nothing that is"
    return RequestRefused(
        "not-indexed",
        f"The parameter {shown(name)} cannot be that: {detail}. {known}.",
        data={"errors": [{"parameter": name, "detail": detail}], "allowed": list(error.indexed)},
    )
