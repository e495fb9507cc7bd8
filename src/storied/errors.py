"""The one error tree: data as attributes, a stable code, a sentence that ends in the remedy.

::

    StoriedError
    ├── Rejected              a command was refused by a rule of the business
    ├── Conflict              somebody else's event came in between; nothing was stored
    │   └── Outdated          the caller decided on a position that is no longer the last word
    ├── UnknownOutcome        the store cannot tell whether the append was stored; repeat it by its id
    ├── AppendIdReused        an append id, or a command id, came again with other content
    ├── DefinitionError       a model that cannot work; found before anything runs
    ├── InvalidInput          what was handed in cannot be stored or asked; nothing was stored
    │   ├── InvalidEvent
    │   ├── InvalidCommand
    │   └── InvalidQuery
    ├── AccessDenied          who asks is not known, or may not do this
    ├── RequestRefused        an HTTP request that a service does not take; `code` says why
    ├── DecodeError           a stored event does not fit today's code
    ├── ViewError
    │   ├── NotCaughtUp       the view did not reach the position before the deadline
    │   ├── ViewFailed        the view stopped at an event whose documents its code could not tell
    │   ├── KeyParked         one document is held back at an event that its code could not apply
    │   ├── PastUnready       a past of the view is not worked out within what it may cost
    │   ├── ViewRebuilding    the read model was made by other code and cannot answer this yet
    │   └── NotIndexed        the question needs an index that the view does not declare
    └── StoreError            the store itself
        ├── StoreUnavailable  it cannot be opened, or not now
        ├── StoreFenced       a write failed in the disk; this handle writes no more
        ├── StoreClosed
        └── StoreCorrupt      what is stored contradicts itself

Codes are part of the public API: they never change their meaning.
"""

from __future__ import annotations

from functools import partial
from shlex import quote
from typing import Any, ClassVar, NamedTuple


class StoriedError(Exception):
    """What every error of storied is; `code` is stable, `str()` ends in what to do."""

    code: str = "storied-error"
    default_code: ClassVar[str] = "storied-error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code


class Rejected(StoriedError):
    """A command refused by a rule of the business: a code of your own, a sentence, and any data beside it."""

    default_code = "rejected"

    def __init__(self, code: str, message: str = "", **data: Any) -> None:
        super().__init__(message or code.replace("-", " "), code=code)
        self.data = data

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Rejected, self.code, self.message, **self.data), ()


class Conflict(StoriedError):
    """An event that matches the append condition lies beyond `after`; nothing was stored.

    `after` is the position decided at; `position`, `type`, `tags` and `actor` tell of the first event in between.
    """

    default_code = "conflict"

    def __init__(
        self, *, after: int, position: int, type: str, tags: tuple[str, ...] = (), actor: str | None = None
    ) -> None:
        self.after, self.position, self.type, self.tags, self.actor = after, position, type, tags, actor
        more = f" and {len(tags) - 3} more tags" if len(tags) > 3 else ""
        about = f" on {', '.join(tags[:3])}{more}" if tags else ""
        who = f" ({actor})" if actor else ""
        super().__init__(
            f"conflict{about}: decided at {after}, but {position} {type}{who} came in between. "
            "Nothing was stored. Reload and decide again, or let execute() retry."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(
            Conflict, after=self.after, position=self.position, type=self.type, tags=self.tags, actor=self.actor
        ), ()


class Between(NamedTuple):
    """An event that came in between: where, what, about what, and who."""

    position: int
    type: str
    tags: tuple[str, ...]
    actor: str | None


class Outdated(Conflict):
    """What a command rests on has changed after the position that its caller had `seen`; nothing was stored.

    `between` holds the first events that came in between, `more` whether there are others. `after` and the rest are as
    in `Conflict`, of the first of them.
    """

    default_code = "outdated"

    def __init__(self, seen: int, between: tuple[Between, ...], *, more: bool = False) -> None:
        self.seen, self.between, self.more = seen, between, more
        first = between[0]
        super().__init__(after=seen, position=first.position, type=first.type, tags=first.tags, actor=first.actor)
        shown = ", ".join(f"{event.position} {event.type}" for event in between[:3])
        others = " and others" if more or len(between) > 3 else ""
        self.message = (
            f"outdated: you had seen everything up to {seen}, but {shown}{others} came in between. Nothing was stored. "
            "Look at what is true now, and decide again."
        )
        self.args = (self.message,)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(Outdated, self.seen, self.between, more=self.more), ()


class UnknownOutcome(StoriedError):
    """The store cannot tell whether the append was stored; `append_id` names it."""

    default_code = "unknown-outcome"

    def __init__(self, append_id: str, reason: str) -> None:
        self.append_id, self.reason = append_id, reason
        super().__init__(
            f"append {append_id} may or may not be stored: {reason}. Open the store again and repeat the same append "
            "with the same append_id: it is stored once, and you get its receipt."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return UnknownOutcome, (self.append_id, self.reason)


class AppendIdReused(StoriedError):
    """The append id stands in the store for something else, up to `position`; what came now was not stored."""

    default_code = "append-id-reused"

    def __init__(self, append_id: str, position: int) -> None:
        self.append_id, self.position = append_id, position
        super().__init__(
            f"append id {append_id} stands for something else, which was stored up to position {position}. What came "
            "now was not stored. See what is there, and take a new id only for what shall be stored beside it."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return AppendIdReused, (self.append_id, self.position)


class DefinitionError(StoriedError):
    """A model that cannot work, found before anything runs."""

    default_code = "definition"


class InvalidInput(StoriedError):
    """What was handed in cannot be stored or asked; nothing was stored."""

    default_code = "invalid"


class InvalidEvent(InvalidInput):
    """An event that the store refuses; `code` says which rule it breaks."""

    default_code = "invalid-event"


class InvalidCommand(InvalidInput):
    """A command that does not fit its definition, or that no handler takes."""

    default_code = "invalid-command"


class InvalidQuery(InvalidInput):
    """A question that cannot be asked; where one value of it is to blame, `value`, and what is wrong with it, `detail`.

    Without a `detail` it is the question that is wrong, whatever its values are.
    """

    default_code = "invalid-query"

    def __init__(self, message: str, *, code: str | None = None, value: Any = None, detail: str = "") -> None:
        super().__init__(message, code=code)
        self.value, self.detail = value, detail


class AccessDenied(StoriedError):
    """Who asks is not known (code ``unauthenticated``), or may not do this (``forbidden``); nothing was done."""

    default_code = "forbidden"


class RequestRefused(StoriedError):
    """An HTTP request that a service does not take, for a reason that lies in the request alone.

    `data` is told to the client beside the message, and `headers` go with the answer.
    """

    default_code = "bad-request"

    def __init__(
        self, code: str, message: str, *, headers: dict[str, str] | None = None, data: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message, code=code)
        self.headers, self.data = headers or {}, data or {}

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(RequestRefused, self.code, self.message, headers=self.headers, data=self.data), ()


class DecodeError(StoriedError):
    """A stored event that does not fit today's code; `position`, `type` and `version` name it."""

    default_code = "undecodable"

    def __init__(self, *, position: int, type: str, version: int, reason: str) -> None:
        self.position, self.type, self.version, self.reason = position, type, version, reason
        super().__init__(
            f"event {position} ({type}, version {version}) does not fit today's code: {reason}. "
            "Add an upcaster with @upcast, give the new field a default, or mend what the class refuses; the stored "
            "event stays as it is."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(
            DecodeError, position=self.position, type=self.type, version=self.version, reason=self.reason
        ), ()


class ViewError(StoriedError):
    """A view cannot answer."""

    default_code = "view"


class NotCaughtUp(ViewError):
    """The view did not reach `wanted` before the deadline; it stands at `position`."""

    default_code = "not-caught-up"

    def __init__(self, view: str, *, wanted: int, position: int, timeout: float) -> None:
        self.view, self.wanted, self.position, self.timeout = view, wanted, position, timeout
        super().__init__(
            f"view {view} stands at {position} and did not reach {wanted} within {timeout:g} s. Ask again, give a "
            "longer timeout=, or see that a process runs the views (app.open(…) does unless views=False)."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(NotCaughtUp, self.view, wanted=self.wanted, position=self.position, timeout=self.timeout), ()


class ViewFailed(ViewError):
    """The view stopped before `position`, whose event its code could not apply; `__cause__` is what was raised.

    Where the view stopped in another process, `told` is what that has left beside the documents, and `type` is empty.
    """

    default_code = "view-failed"

    def __init__(
        self,
        view: str,
        *,
        position: int,
        type: str = "",
        reason: str = "",
        fault: str = "the view's handler",
        told: str | None = None,
    ) -> None:
        self.view, self.position, self.type, self.reason, self.fault = view, position, type, reason, fault
        self.told = told
        super().__init__(
            told
            or f"view {view} stopped before event {position} ({type}): {reason}. Mend {fault} and open the "
            "app again: it goes on from there; nothing was skipped."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        given: dict[str, Any] = {"type": self.type, "reason": self.reason, "fault": self.fault, "told": self.told}
        return partial(ViewFailed, self.view, position=self.position, **given), ()


class KeyParked(ViewError):
    """One document is held back before `position`, whose event its handler could not take; the others go on."""

    default_code = "key-parked"

    def __init__(self, view: str, *, key: str, position: int, type: str, reason: str) -> None:
        self.view, self.key, self.position, self.type, self.reason = view, key, position, type, reason
        super().__init__(
            f"document {key!r} of view {view} stopped before event {position} ({type}): {reason.rstrip('.')}. Mend "
            f"what raised, or what it needs, and retry the key: storied views retry {view} {quote(key)}."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(
            KeyParked, self.view, key=self.key, position=self.position, type=self.type, reason=self.reason
        ), ()


class PastUnready(ViewError):
    """A past of the view is not worked out within what the question may cost; `code` says which bound it met."""

    default_code = "past-unfinished"


class ViewRebuilding(ViewError):
    """The read model that is served was made by other code and cannot answer this; the new one is being built."""

    default_code = "view-rebuilding"

    def __init__(self, view: str, reason: str) -> None:
        self.view, self.reason = view, reason
        super().__init__(
            f"view {view} cannot answer this yet: {reason.rstrip('.')}. Its read model was made by other code; ask "
            "again when the new one has taken its place (storied views shows how far it is)."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return ViewRebuilding, (self.view, self.reason)


class NotIndexed(ViewError):
    """The question needs an index that the view does not declare."""

    default_code = "not-indexed"

    def __init__(self, view: str, field: str, indexed: tuple[str, ...]) -> None:
        self.view, self.field, self.indexed = view, field, indexed
        has = f"it indexes {', '.join(indexed)}" if indexed else "it declares no index"
        super().__init__(
            f"view {view} has no index on {field!r}; {has}. Add {field!r} to indexes=[…] of the view, "
            "or ask by an indexed field."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return NotIndexed, (self.view, self.field, self.indexed)


class StoreError(StoriedError):
    """The store itself failed or refuses."""

    default_code = "store"


class StoreUnavailable(StoreError):
    """The store cannot be opened, or cannot take this now; nothing was stored. `code` says why."""

    default_code = "store-unavailable"


class StoreFenced(StoreError):
    """A write failed in the disk, so this handle writes no more; reading still works."""

    default_code = "store-fenced"

    def __init__(self, reason: str, *, moved: bool = False) -> None:
        self.reason, self.moved = reason, moved
        what = reason if moved else f"an earlier write failed: {reason}"
        super().__init__(
            f"this store handle is fenced, because {what}. Nothing was stored. "
            f"Close the store, see to {'the file' if moved else 'the disk'}, and open it again.",
            code="store-moved" if moved else None,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(StoreFenced, self.reason, moved=self.moved), ()


class StoreClosed(StoreError):
    """The store was closed; nothing was stored."""

    default_code = "store-closed"

    def __init__(self) -> None:
        super().__init__("this store is closed. Nothing was stored. Open it again, and keep it open while you use it.")

    def __reduce__(self) -> tuple[Any, ...]:
        return StoreClosed, ()


class StoreCorrupt(StoreError):
    """What is stored contradicts itself; `position` is the first bad place where it is known."""

    default_code = "store-corrupt"

    def __init__(self, message: str, *, position: int | None = None) -> None:
        self.position = position
        super().__init__(message)
