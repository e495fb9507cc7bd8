"""The page on the services has the table of problems as the code has it, and every setting."""

from __future__ import annotations

import re

import pytest

from storied.errors import StoriedError
from storied.services.web.problems import BY_CLASS, BY_CODE, Problem
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "services.md").read_text(encoding="utf-8")
PROBLEMS = {problem.type: problem for problem in (*BY_CODE.values(), *BY_CLASS.values())}


def row(problem: Problem) -> str:
    """The problem as a row of the page's table."""
    after = f"{problem.retry_after} s" if problem.retry_after is not None else ""
    return f"| `{problem.type}` | {problem.status} | {problem.title} | {after} |".replace("|  |", "| |")


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS.keys())
def test_every_problem_has_its_row(problem: Problem) -> None:
    """With its status, its title, and when to repeat."""
    assert row(problem) in PAGE.splitlines()


def test_no_row_is_made_up() -> None:
    """A problem on the page is one of the code."""
    shown = re.findall(r"^\| `([a-z-]+)` \| \d{3} \|", PAGE, flags=re.MULTILINE)
    assert sorted(shown) == sorted(PROBLEMS)


def test_a_type_of_problem_means_one_thing() -> None:
    """Whether it is found by a code or by a class."""
    rows = [*BY_CODE.values(), *BY_CLASS.values()]
    assert len({problem.type for problem in rows}) == len(rows)


def test_every_error_has_a_problem_that_is_not_internal_unless_it_is_ours() -> None:
    """An error of the tree is told as what it is; only what no client can help is told as internal."""
    ours = {"DefinitionError", "DecodeError", "ViewError", "StoreError", "StoreCorrupt"}
    found = {
        cls.__name__
        for cls in _below(StoriedError)
        if next(BY_CLASS[base] for base in cls.__mro__ if base in BY_CLASS).type == "internal"
        and cls.default_code not in BY_CODE
    }
    assert found == ours


def _below(cls: type[StoriedError]) -> list[type[StoriedError]]:
    inside = [one for one in cls.__subclasses__() if one.__module__ == "storied.errors"]
    return [*inside, *(deeper for one in inside for deeper in _below(one))]
