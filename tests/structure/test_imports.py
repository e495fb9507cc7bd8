"""Modules import each other in one direction, and at their top."""

from collections.abc import Iterator

from tests.structure.cycles import cycles
from tests.structure.modules import functions, modules

# Imports that stay inside a function, and why: {("storied.app.open_store", "asyncpg"): "an optional driver"}.
# The import itself carries a noqa for PLC0415, with the reason too.
EXCEPTIONS: dict[tuple[str, str], str] = {}


def module_graph() -> dict[str, set[str]]:
    """For every module the modules it imports; imports for type checking and inside functions count too."""
    names = {module.name for module in modules()}
    return {
        module.name: {target for name in module.imports() if (target := owner(name, names)) is not None}
        for module in modules()
    }


def owner(name: str, names: set[str]) -> str | None:
    """The module that dotted *name* is, or lives in; none when it is not ours."""
    while name and name not in names:
        name = name.rpartition(".")[0]
    return name or None


def imports_inside_functions() -> Iterator[tuple[str, str]]:
    """Each function that imports, with the dotted name it imports."""
    for module in modules():
        for name, function in functions(module):
            yield from ((name, imported) for imported in module.imports(function))


def test_no_module_is_in_an_import_cycle() -> None:
    """Following imports never leads back to where one started."""
    found = cycles(module_graph())
    assert not found, "these import each other:\n" + "\n".join(", ".join(group) for group in found)


def test_no_function_imports() -> None:
    """Every import is at the top of its module, unless listed with a reason."""
    unexpected = set(imports_inside_functions()) - EXCEPTIONS.keys()
    assert not unexpected, f"move to the top of the module: {sorted(unexpected)}"


def test_no_import_exception_outlives_its_need() -> None:
    """An exception goes once its function imports no more."""
    assert not EXCEPTIONS.keys() - set(imports_inside_functions())


def test_a_planted_cycle_is_found() -> None:
    """Three modules in a ring, reached from outside and leading out of it, are reported as one group."""
    graph = {"entry": ["a"], "a": ["b"], "b": ["c", "exit"], "c": ["a"], "exit": []}
    assert cycles(graph) == [["a", "b", "c"]]


def test_a_module_that_imports_itself_is_a_cycle() -> None:
    """A ring may be as small as one module."""
    assert cycles({"a": ["a"], "b": []}) == [["a"]]


def test_a_diamond_is_no_cycle() -> None:
    """Two ways to the same module are fine."""
    assert not cycles({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []})
