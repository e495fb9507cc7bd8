"""No file, class, function or signature outgrows its budget without a reason."""

import ast
from collections.abc import Iterator

import pytest

from tests.structure.modules import classes, functions, modules

BUDGETS = {"file": 400, "class": 250, "function": 60, "signature": 8}  # lines; parameters for the last

# What may be larger, and why: {("function", "storied.store.codec.decode"): "a table reads better whole"}.
EXCEPTIONS: dict[tuple[str, str], str] = {
    ("signature", "storied.opened.OpenApp.find"): "each is a word of the question; a query object would hide them",
}


def sizes() -> Iterator[tuple[tuple[str, str], int]]:
    """The size of everything that has a budget, by kind and dotted name."""
    for module in modules():
        yield ("file", module.name), len(module.source.splitlines())
        for name, class_ in classes(module):
            yield ("class", name), lines(class_)
        for name, function in functions(module):
            yield ("function", name), lines(function)
            yield ("signature", name), parameters(function.args)


def lines(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` or `class` to the end; decorators do not count."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


def parameters(arguments: ast.arguments) -> int:
    """Parameters a caller sees: self and cls do not count."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return sum(1 for each in every if each is not None and each.arg not in {"self", "cls"})


def over_budget() -> dict[tuple[str, str], int]:
    """What is larger than its budget, with its size."""
    return {key: size for key, size in sizes() if size > BUDGETS[key[0]]}


@pytest.mark.parametrize("kind", BUDGETS)
def test_everything_keeps_its_budget(kind: str) -> None:
    """Whatever is larger than the budget of its kind is listed with a reason."""
    outgrown = [
        f"{name} has {size}, {size - BUDGETS[kind]} too many"
        for (of_kind, name), size in over_budget().items()
        if of_kind == kind and (kind, name) not in EXCEPTIONS
    ]
    assert not outgrown, f"over the {kind} budget of {BUDGETS[kind]}; split it:\n" + "\n".join(outgrown)


def test_no_exception_outlives_its_need() -> None:
    """An exception goes once what it excused fits its budget or is gone."""
    assert not EXCEPTIONS.keys() - over_budget().keys()


def test_every_exception_has_a_reason() -> None:
    """An exception says why."""
    assert all(reason.strip() for reason in EXCEPTIONS.values())


def test_a_parameter_of_any_kind_counts_but_self_does_not() -> None:
    """The signature budget sees positional, keyword-only and starred parameters."""
    function = ast.parse("def f(self, a, /, b, *c, d, **e): ...").body[0]
    assert isinstance(function, ast.FunctionDef)
    assert parameters(function.args) == 5
