"""Every module says what it is, by its name and by its docstring."""

import ast

from tests.structure.modules import modules

NOT_NOUNS = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}


def test_every_module_has_a_docstring() -> None:
    """A module opens with the one thing it is responsible for."""
    silent = [module.name for module in modules() if not ast.get_docstring(module.tree)]
    assert not silent


def test_no_module_is_a_drawer() -> None:
    """A module is named after what it holds, never after holding something."""
    drawers = [module.name for module in modules() if NOT_NOUNS & {part.strip("_") for part in module.name.split(".")}]
    assert not drawers
