"""The documents of one chunk while it is applied. Pure.

They are decoded when first touched and encoded once at the end. A key whose event fails is taken back to what it was
before that event, by applying its earlier steps again to what was stored.

A handler fails by whatever it raises, also by what is no `Exception`, such as a panic in an extension or `sys.exit()`:
only Ctrl-C is not its own.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from storied.domain.views import Delete, View
from storied.projections.projector import Projector, Step, reason_of
from storied.store.documents import Change, Parked
from storied.store.ordering import Scalar, sort_key

MAX_TRACE_CHARACTERS = 8_000


class Applied(msgspec.Struct, frozen=True):
    """What a chunk came to: one change for each document changed, and the keys that stopped."""

    changes: list[Change]
    parked: list[Parked]


def apply_steps(
    projector: Projector, steps: Iterable[Step], stored: Mapping[str, str], held: Iterable[str] = ()
) -> Applied:
    """The steps applied to the stored documents (JSON by key); keys in *held* are left as they are.

    Raises `ViewFailed` when it cannot be told which documents an event changes.
    """
    work = Work(projector, stored, held)
    for step in steps:
        work.take(step)
    return Applied(list(work.changes()), list(work.parked.values()))


class Work:
    """A chunk that is applied step by step: first `take` each step, then `changes`, then look at `parked`."""

    def __init__(self, projector: Projector, stored: Mapping[str, str], held: Iterable[str]) -> None:
        self._projector, self._stored = projector, stored
        self._held = set(held)
        self._documents: dict[str, View | None] = {}
        self._steps: dict[str, list[Step]] = {}
        self.parked: dict[str, Parked] = {}

    def take(self, step: Step) -> None:
        """Applies the step to each of its documents that is not held."""
        where = step.route.where
        if where is None:
            keys: Sequence[str] = step.keys
        else:
            try:
                keys = self._keys_where(where, step.wanted)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                raise self._projector.failed(step.record, error) from error
        for key in keys:
            if key in self._held:
                continue
            before = self._steps.get(key)
            try:
                self._apply(key, step)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self._park(key, step, error, before or [])
                continue
            if before is None:
                self._steps[key] = [step]
            else:
                before.append(step)

    def changes(self) -> Iterator[Change]:
        """What is to be written, each document once."""
        for key, steps in self._steps.items():
            change = self._change(key, steps)
            if change is not None and change.document != self._stored.get(key):
                yield change

    def _apply(self, key: str, step: Step) -> None:
        try:
            document = self._documents[key]
        except KeyError:
            document = self._document(key)
        outcome = self._projector.apply(document, key, step)
        if outcome is not document:
            self._documents[key] = None if isinstance(outcome, Delete) else outcome

    def _change(self, key: str, steps: list[Step]) -> Change | None:
        """The key's change; when it cannot be stored, that of what it was before the step that made it so."""
        try:
            return self._projector.change(key, self._documents[key])
        except KeyboardInterrupt:
            raise
        except BaseException:
            for count, step in enumerate(steps):
                self._replay(key, steps[: count + 1])
                try:
                    self._projector.change(key, self._documents[key])
                except KeyboardInterrupt:
                    raise
                except BaseException as error:
                    self._park(key, step, error, steps[:count])
                    return self._projector.change(key, self._documents[key])
        return None

    def _park(self, key: str, step: Step, error: BaseException, before: list[Step]) -> None:
        record = step.record
        trace = "".join(traceback.format_exception(error))[-MAX_TRACE_CHARACTERS:]
        self.parked[key] = Parked(key, record.position, record.type, reason_of(error), trace)
        self._held.add(key)
        self._replay(key, before)

    def _replay(self, key: str, steps: list[Step]) -> None:
        """Makes the document anew from what is stored and these steps."""
        self._documents.pop(key, None)
        self._document(key)
        for step in steps:
            self._apply(key, step)

    def _keys_where(self, field: str, wanted: Scalar) -> list[str]:
        """The keys of documents whose field has that value, as they are by now, compared as `find` compares."""
        keys = dict.fromkeys((*self._stored, *self._documents))
        documents = ((key, self._document(key)) for key in keys)
        return [key for key, document in documents if document and sort_key(getattr(document, field)) == wanted]

    def _document(self, key: str) -> View | None:
        if key not in self._documents:
            text = self._stored.get(key)
            self._documents[key] = None if text is None else self._projector.decoder.decode(text)
        return self._documents[key]
