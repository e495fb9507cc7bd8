"""Instructions of a function: what it mentions, and what it does, where no source says so."""

from __future__ import annotations

import dis
import types

_OF_A_PLACE = {"__doc__", "__firstlineno__", "__module__", "__qualname__", "__static_attributes__"}


def mentioned(code: types.CodeType) -> tuple[set[str], set[str]]:
    """The global names in the code and in what is nested in it, and the attributes."""
    named: set[str] = set()
    attributes: set[str] = set()
    for step in steps(code):
        if isinstance(step.argval, types.CodeType):
            inside = mentioned(step.argval)
            named, attributes = named | inside[0], attributes | inside[1]
        elif step.opname.startswith(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT")):
            named.add(step.argval)
        elif step.opcode in dis.hasname:
            attributes.add(step.argval)
    return named, attributes


def steps(code: types.CodeType) -> list[dis.Instruction]:
    """The instructions without those that only say where a class stands."""
    found: list[dis.Instruction] = []
    for step in dis.get_instructions(code):
        if step.opname == "STORE_NAME" and step.argval in _OF_A_PLACE:
            found.pop()
        elif step.opname != "EXTENDED_ARG":
            found.append(step)
    return found
