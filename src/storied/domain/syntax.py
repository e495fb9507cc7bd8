"""Syntax: what a function says, as its source has it, in a text that every Python writes alike.

Instructions differ from one Python to the next; the tree that was parsed does not, once what only some of them tell is
left out. Names, layout, comments, docstrings and the types of parameters are left out too: they do nothing.

A file may have been changed since it was imported. So its source is trusted only where it compiles to the very
instructions that the function has.
"""

from __future__ import annotations

import ast
import functools
import linecache
import operator
import types
from collections.abc import Iterator, Mapping
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_UNSAID = {"annotation": (ast.arg,), "returns": (ast.FunctionDef, ast.AsyncFunctionDef)}
_PARTS = operator.attrgetter("co_code", "co_names", "co_varnames", "co_freevars", "co_exceptiontable", "co_flags")
_UNSAID_EVERYWHERE = {"ctx", "kind", "type_comment"}


def syntax(code: types.CodeType, names: Mapping[str, Any]) -> str | None:
    """What the function of this code, in a module of these global *names*, takes and does; None where no source says.

    Its own name, decorators and types are not part of it.
    """
    text = "".join(linecache.getlines(code.co_filename, dict(names)))
    functions = _functions_of(text, code.co_filename) if text else {}
    alike = functions.get((code.co_name, code.co_firstlineno), [])
    return next((told for compiled, told in alike if _same(compiled, code)), None)


def _told(node: object) -> str:
    """The tree as text. What is absent is not told: that differs between versions, and adds nothing."""
    if isinstance(node, list):
        return f"[{' '.join(_told(item) for item in node if not _does_nothing(item))}]"
    if isinstance(node, ast.Constant):
        return f"{type(node.value).__name__}:{node.value!a}"
    if isinstance(node, ast.JoinedStr):
        return f"(JoinedStr {' '.join(_pieces(node))})"
    if not isinstance(node, ast.AST):
        return ascii(node)
    fields = [
        f"{name}={_told(value)}"
        for name, value in ast.iter_fields(node)
        if name not in _UNSAID_EVERYWHERE
        and not isinstance(node, _UNSAID.get(name, ()))
        and value is not None
        and value != []
        and not _is_empty(value)
    ]
    return f"({' '.join((type(node).__name__, *fields))})"


def _does_nothing(node: object) -> bool:
    """Whether it is a docstring, another lone constant, or ``pass``."""
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _is_empty(node: object) -> bool:
    """Whether it is the format after a colon with nothing behind it, which some versions leave out."""
    return isinstance(node, ast.JoinedStr) and not list(_pieces(node))


def _pieces(node: ast.JoinedStr) -> Iterator[str]:
    """The parts of an f-string; text that stands together in one piece, as not every version has it."""
    text = ""
    for part in node.values:
        if isinstance(part, ast.Constant):
            text += str(part.value)
            continue
        if text:
            yield ascii(text)
        text = ""
        yield _told(part)
    if text:
        yield ascii(text)


# --- finding a function in its source

Place = tuple[str, int]
"""The name that a function's code has, and its first line."""


@functools.lru_cache(maxsize=64)
def _functions_of(text: str, filename: str) -> dict[Place, list[tuple[types.CodeType, str]]]:
    """The functions of a source as they compile, and what they say.

    Lambdas of one line are not told apart by their place: each says what all of them do, and which one it is.
    """
    try:
        tree = ast.parse(text, filename)
        compiled = compile(text, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):  # it is being written, or it is no Python
        return {}
    written: dict[Place, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS):
            written.setdefault(_place(node), []).append(_function(node))
    found: dict[Place, list[tuple[types.CodeType, str]]] = {}
    for code in _codes(compiled):
        place = (code.co_name, code.co_firstlineno)
        if place in written:
            before = found.setdefault(place, [])
            before.append((code, " ".join((*written[place], str(len(before))))))
    return found


def _function(function: Function) -> str:
    body = [function.body] if isinstance(function, ast.Lambda) else function.body
    return f"{type(function).__name__} {_told(function.args)} {_told(body)}"


def _place(function: Function) -> Place:
    if isinstance(function, ast.Lambda):
        return "<lambda>", function.lineno
    return function.name, min(node.lineno for node in (function, *function.decorator_list))


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _codes(constant)


def _same(one: types.CodeType, other: types.CodeType) -> bool:
    """Whether both have the same instructions and constants. Not ``==``: what has run may no longer be equal."""
    return _PARTS(one) == _PARTS(other) and _same_constant(one.co_consts, other.co_consts)


def _same_constant(one: object, other: object) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, types.CodeType) and isinstance(other, types.CodeType):
        return _same(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_same_constant, one, other))
    if isinstance(one, (float, complex)):  # 0.0 equals -0.0
        return repr(one) == repr(other)
    return one == other
