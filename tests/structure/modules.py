"""The modules of storied as syntax trees, with what each of them imports. Nothing is executed."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"

FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Module:
    """One file of the package: dotted name, path and tree."""

    name: str
    path: Path
    source: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """The dotted name that one leading dot stands for in this module."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    def imports(self, tree: ast.AST | None = None) -> Iterator[str]:
        """Every dotted name imported anywhere in *tree*, the whole module unless told otherwise.

        `from a import b` gives `a.b`: whether b is a module or a name in one is for the reader to decide.
        """
        for node in ast.walk(tree or self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                origin = self._origin(node)
                yield from (f"{origin}.{alias.name}" for alias in node.names)

    def _origin(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parents = self.package.split(".")
        parents = parents[: len(parents) - (node.level - 1)]
        return ".".join([*parents, node.module] if node.module else parents)


@cache
def modules() -> tuple[Module, ...]:
    """Every module below src/storied, by name; an empty package is an error, since all tests would pass on it."""
    found = tuple(_load(path) for path in sorted((SOURCE / "storied").rglob("*.py")))
    if not found:
        raise FileNotFoundError(f"no Python file below {SOURCE / 'storied'}; is the checkout complete?")
    return found


def _load(path: Path) -> Module:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    source = path.read_text(encoding="utf-8")
    return Module(name, path, source, ast.parse(source, filename=str(path)))


def functions(module: Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Every function of *module*, methods and nested ones too, with its dotted name."""
    for name, node in _definitions(module.name, module.tree):
        if isinstance(node, FUNCTION):
            yield name, node


def classes(module: Module) -> Iterator[tuple[str, ast.ClassDef]]:
    """Every class of *module*, nested ones too, with its dotted name."""
    for name, node in _definitions(module.name, module.tree):
        if isinstance(node, ast.ClassDef):
            yield name, node


def _definitions(
    prefix: str, tree: ast.AST
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (*FUNCTION, ast.ClassDef)):
            name = f"{prefix}.{node.name}"
            yield name, node
            yield from _definitions(name, node)
        else:
            yield from _definitions(prefix, node)
