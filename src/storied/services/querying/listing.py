"""Lists: from a query string to a question about a view, and from its answer to bytes and links. Pure.

Filters are parameters named after indexed fields: ``status=paid`` compares for equality, ``total.ge=10`` and its like
give a bound, and ``placed_at.null=true`` finds what has no value. ``sort``, ``limit``, ``cursor`` and ``at`` are the
list's own; a field of such a name is asked for with ``.eq``.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Union
from urllib.parse import urlencode

import msgspec

from storied.domain.showing import shown
from storied.domain.times import At
from storied.errors import InvalidQuery, RequestRefused
from storied.projections.asking import Range
from storied.projections.comparing import comparable, value_kinds
from storied.projections.projector import Projector
from storied.services.querying.freshness import moment_in, time_in
from storied.services.web.spelling import names_of, value_of, wants_local
from storied.store.documents import Hit

LIMIT = 100
"""Documents in a page whose size nobody names."""
OWN = ("sort", "limit", "cursor", "at")
BOUNDS = ("ge", "gt", "le", "lt")
OPERATORS = ("eq", *BOUNDS, "null")
Pairs = Iterable[tuple[str, str]]


class Listing(msgspec.Struct):
    """What is asked of a list."""

    where: dict[str, Any] = {}
    sort: str | None = None
    limit: int = LIMIT
    cursor: str | None = None
    at: At | None = None


def listing(projector: Projector, pairs: Pairs, most: int) -> Listing:
    """What the query string asks for. Raises `RequestRefused` for what it cannot, naming what it can.

    *most* is the largest page there is.
    """
    asked = Listing(limit=min(LIMIT, most))
    bounds: dict[str, dict[str, Any]] = {}
    for name, text in once(pairs).items():
        if name in OWN:
            _set_own(projector, asked, name, text, most)
            continue
        field, _, operator = name.partition(".")
        operator = operator or "eq"
        hint = _hint(projector, name, field, operator)
        if operator in BOUNDS:
            bounds.setdefault(field, {})[operator] = indexed_value_in(name, hint, text)
        elif field in asked.where:
            raise bad_parameter(name, f"of {field}, {field}.eq and {field}.null only one can be given")
        elif operator == "null":
            _check_true(name, text)
            asked.where[field] = None
        else:
            asked.where[field] = indexed_value_in(name, hint, text)
    for field, given in bounds.items():
        if field in asked.where:
            raise bad_parameter(field, "a value and a bound of the same field do not go together")
        asked.where[field] = Range(**given)
    return asked


def once(pairs: Pairs) -> dict[str, str]:
    """The values by parameter, each given once. Raises `RequestRefused` with code ``bad-parameter``."""
    found: dict[str, str] = {}
    for name, text in pairs:
        if name in found:
            raise bad_parameter(name, "it is given twice")
        found[name] = text
    return found


def allowed(projector: Projector) -> list[str]:
    """The names of the parameters that the list takes."""
    columns = projector.table.columns
    return [*OWN, *columns, *(f"{field}.{operator}" for field in columns for operator in OPERATORS)]


def indexed_value_in(name: str, hint: Any, text: str) -> Any:
    """The value that an indexed field is compared with. Raises `RequestRefused`."""
    value = value_in(name, hint, text)
    try:
        comparable(name, hint, value)
    except InvalidQuery:
        raise bad_parameter(name, f"{shown(text)} is nothing that this field could be compared with") from None
    return value


def value_in(name: str, hint: Any, text: str) -> Any:
    """The value that a field of this type has where the text says so. Raises `RequestRefused`."""
    known = [kind for kind in value_kinds(hint) if kind is not types.NoneType]
    kinds = list(known)
    if datetime in kinds:
        time = time_in(text, local=wants_local(hint))
        if time is not None:
            return time
        kinds.remove(datetime)  # a number is no time, though it could be taken for one
    if str in kinds or Any in kinds:
        return text
    try:
        return value_of(text, Union[tuple(kinds)])  # noqa: UP007 - made of a list
    except (msgspec.ValidationError, TypeError, ValueError, OverflowError):
        raise bad_parameter(name, f"{shown(text)} is not {names_of(known)}") from None


def unknown_parameter(name: str, known: Sequence[str]) -> RequestRefused:
    """The refusal of a parameter that means nothing here."""
    return RequestRefused(
        "unknown-parameter",
        f"The parameter {shown(name)} means nothing here. There are: {', '.join(known) or 'none'}.",
        data={"errors": [{"parameter": name[:200], "detail": "unknown"}], "allowed": list(known)},
    )


def bad_parameter(name: str, detail: str) -> RequestRefused:
    """The refusal of a parameter's value; a *detail* that is a sentence already says what to do."""
    told = detail if detail.endswith(".") else f"{detail}. Correct it."
    return RequestRefused(
        "bad-parameter",
        f"The parameter {shown(name)} cannot be that: {told}",
        data={"errors": [{"parameter": name[:200], "detail": detail}]},
    )


def together(refusals: Sequence[RequestRefused]) -> RequestRefused:
    """One refusal for all of them: each mistake with its parameter, and the kind of the first."""
    first = refusals[0]
    if len(refusals) == 1:
        return first
    data = {key: value for one in reversed(refusals) for key, value in one.data.items()}
    errors = [error for one in refusals for error in one.data["errors"]]
    told = f"{len(refusals)} parameters are wrong; errors says which, and why."
    return RequestRefused(first.code, told, data=data | {"errors": errors})


def missing_parameter(name: str) -> RequestRefused:
    """The refusal of a question without a parameter that it needs."""
    detail = "it is missing"
    data = {"errors": [{"parameter": name, "detail": detail}]}
    return RequestRefused("bad-parameter", f"The parameter {shown(name)} is missing. Give it.", data=data)


def number_in(name: str, text: str, least: int, most: int) -> int:
    """The whole number from *least* to *most* that the text says. Raises `RequestRefused`."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 18 and least <= int(text) <= most):
        raise bad_parameter(name, f"it is a whole number from {least} to {most}")
    return int(text)


def array_of(hits: Sequence[Hit]) -> bytes:
    """The documents as one JSON array, each as it is stored."""
    return f"[{','.join([hit.document for hit in hits])}]".encode()


def next_link(pairs: Pairs, cursor: str) -> bytes:
    """An RFC 8288 link to what comes behind the cursor: the same question, relative to where it was asked."""
    parameters = [(name, text) for name, text in pairs if name != "cursor"] + [("cursor", cursor)]
    return b'<?%b>; rel="next"' % urlencode(parameters).encode()


def _set_own(projector: Projector, asked: Listing, name: str, text: str, most: int) -> None:
    match name:
        case "sort":
            if text.removeprefix("-") not in (projector.spec.key, *projector.table.columns):
                raise _not_indexed(projector, name, f"There is no order by {shown(text.removeprefix('-'))}")
            asked.sort = text
        case "limit":
            asked.limit = number_in(name, text, 1, most)
        case "cursor":
            asked.cursor = text
        case _:
            asked.at = moment_in(text)


def _hint(projector: Projector, name: str, field: str, operator: str) -> Any:
    hints: Mapping[str, Any] = projector.spec.hints()
    if field not in hints or operator not in OPERATORS:
        raise RequestRefused(
            "unknown-parameter",
            f"The parameter {shown(name)} means nothing here. There are {', '.join(OWN)}{_filters(projector)}.",
            data={"errors": [{"parameter": name[:200], "detail": "unknown"}], "allowed": allowed(projector)},
        )
    if field not in projector.table.columns:
        raise _not_indexed(projector, name, f"There is no filter by {shown(field)}")
    return hints[field]


def _not_indexed(projector: Projector, name: str, told: str) -> RequestRefused:
    columns = projector.table.columns
    if name == "sort":
        may = [projector.spec.key, *(column for column in columns if column != projector.spec.key)]
        advice = f"Sort by {', '.join(may)}, with a minus for the largest first"
        names = [f"{sign}{field}" for field in may for sign in ("", "-")]
    else:
        advice, names = f"Ask by {', '.join(columns)}" if columns else "This list takes no filters", list(columns)
    detail = "it is not indexed"
    data = {"errors": [{"parameter": name[:200], "detail": detail}], "allowed": names}
    return RequestRefused("not-indexed", f"{told}: {detail}. {advice}.", data=data)


def _filters(projector: Projector) -> str:
    """What a list can be filtered by, as the end of a sentence about its parameters."""
    columns = projector.table.columns
    more = ", ".join(f".{operator}" for operator in OPERATORS)
    return f"; and {', '.join(columns)}, each also with {more}" if columns else ""


def _check_true(name: str, text: str) -> None:
    if text != "true":
        raise bad_parameter(name, "it is true, or left out")
