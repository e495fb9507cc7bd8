"""Access: who may do what, as rules that an app holds, and the decision on them. Pure.

Without a single rule everybody may do everything. From the first rule on, what no rule allows is denied. A principal is
who a verifier found behind a request; None stands for somebody who showed no credential.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

from storied.domain.commands import Command
from storied.domain.entities import Entity
from storied.domain.showing import shown
from storied.domain.views import View, ViewSpec, view_spec
from storied.errors import AccessDenied, DefinitionError


class Everyone(Enum):
    """Everybody, also without a credential."""

    EVERYONE = "everyone"


class Operations(Enum):
    """What operators do: look after the views, read the metrics, check a store."""

    OPERATIONS = "operations"


EVERYONE: Final = Everyone.EVERYONE
"""Who a rule is for when it is for everybody, also those who show no credential."""
OPERATIONS: Final = Operations.OPERATIONS
"""What a rule is about when it allows to operate the services: metrics, details of health, tending the views."""


class Principal(msgspec.Struct, frozen=True):
    """Who sends a request: an id, which becomes the actor of events, roles, and whatever else a verifier has learnt."""

    id: str
    roles: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = {}


class CredentialHeaders(Protocol):
    """The headers of a request, as far as a verifier needs them."""

    def get(self, name: str, /) -> str | None:
        """The value of the header with this name in lower case, or None."""
        ...


class Verifier(Protocol):
    """Finds out who sends a request."""

    async def verify(self, headers: CredentialHeaders) -> Principal | None:
        """The principal whose credential the headers carry; None when they carry none of the kind it knows.

        Raises `AccessDenied` with code ``unauthenticated`` for a credential that does not hold.
        """
        ...


class HistoryOf(msgspec.Struct, frozen=True):
    """What a rule is about that opens histories: the events behind the documents of a view, whole."""

    view: type[View]

    @property
    def __name__(self) -> str:
        return f"The history of {self.view.__name__}"


When = Callable[[Principal, Any], bool]
Where = Callable[[Principal], Mapping[str, Any]]
Subject = type[Command] | type[View] | type[Entity] | HistoryOf | Operations | Callable[..., Any]
Roles = str | Iterable[str] | Everyone


class Rule(msgspec.Struct, frozen=True):
    """One rule: for which roles (None: for everybody), and under which condition."""

    roles: frozenset[str] | None
    when: When | None = None
    where: Where | None = None

    def fits(self, principal: Principal | None) -> bool:
        """Whether it is for this principal; one with a condition on the principal is for nobody unknown."""
        if principal is None:
            return self.roles is None and self.when is None and self.where is None
        return self.roles is None or not self.roles.isdisjoint(principal.roles)


class Access:
    """The rules of an app, and what they decide."""

    def __init__(self) -> None:
        self._rules: dict[Any, list[Rule]] = {}

    @property
    def configured(self) -> bool:
        """Whether there is a rule, so that what none allows is denied."""
        return bool(self._rules)

    @property
    def rules(self) -> Mapping[Any, tuple[Rule, ...]]:
        """The rules by what they are about."""
        return MappingProxyType({subject: tuple(rules) for subject, rules in self._rules.items()})

    def allow(
        self,
        subject: Subject,
        to: Roles,
        *,
        when: When | None = None,
        where: Where | None = None,
        history: bool = False,
    ) -> None:
        """Adds a rule; with *history*, about the histories of a view and nothing else.

        Raises `DefinitionError` for one that cannot work.
        """
        rule = Rule(_roles(to), when, where)
        for name, condition in (("when", when), ("where", where)):
            if _is_async(condition):
                raise DefinitionError(
                    f"{name}= for {_name(subject)} is async, and is not awaited. Give a plain function, and let the "
                    "verifier put what it needs into the principal's claims."
                )
        if when is not None and not _is(subject, Command):
            raise DefinitionError(f"when= is for commands, and {_name(subject)} is none. Write where= for a view.")
        if where is not None:
            if not _is(subject, View):
                raise DefinitionError(f"where= is for views, and {_name(subject)} is none. Write when= for a command.")
            _probe(view_spec(subject), rule)  # type: ignore[arg-type]  # _is() has looked
        if not (_is(subject, Command, View, Entity) or isinstance(subject, Operations) or callable(subject)):
            raise DefinitionError(
                f"a rule cannot be about {shown(subject)}. Name a command, a view, an entity, a query or OPERATIONS."
            )
        if history:
            if not _is(subject, View):
                raise DefinitionError(f"history= is for views, and {_name(subject)} is none. Leave it out.")
            subject = HistoryOf(subject)  # type: ignore[arg-type]  # _is() has looked
        self._rules.setdefault(subject, []).append(rule)

    def check(self, principal: Principal | None, subject: Subject) -> None:
        """Passes when some rule lets the principal at *subject*, conditions on the single case aside.

        Raises `AccessDenied`.
        """
        if self._rules and not any(self._fitting(principal, subject)):
            raise _denied(principal, subject)

    def check_command(self, principal: Principal | None, command: Command) -> None:
        """Passes when the principal may give exactly this command. Raises `AccessDenied`."""
        if not self._rules:
            return
        for rule in self._fitting(principal, type(command)):
            if rule.when is None or (principal is not None and _holds(rule.when, principal, command)):
                return
        raise _denied(principal, type(command))

    def visible(self, principal: Principal | None, view: type[View]) -> Mapping[str, Any]:
        """What the documents of the view have to be like for the principal to see them; empty: all of them.

        The widest rule counts: one without condition, or else the first whose condition can be told of the principal.
        Raises `AccessDenied` when there is none, and `DefinitionError` for a condition that answers with no criteria.
        """
        return self._narrowed(principal, view, view)

    def visible_history(self, principal: Principal | None, view: type[View]) -> Mapping[str, Any]:
        """What a document has to be like for the principal to see its history, by the rules about histories alone.

        As `visible` otherwise.
        """
        return self._narrowed(principal, HistoryOf(view), view)

    def _narrowed(self, principal: Principal | None, subject: Subject, view: type[View]) -> Mapping[str, Any]:
        if not self._rules:
            return {}
        narrow: Mapping[str, Any] | None = None
        for rule in self._fitting(principal, subject):
            if rule.where is None:
                return {}
            if narrow is None and principal is not None:
                narrow = _criteria(view_spec(view), rule.where, principal)
        if narrow is None:
            raise _denied(principal, subject)
        return narrow

    def _fitting(self, principal: Principal | None, subject: Subject) -> Iterator[Rule]:
        return (rule for rule in self._rules.get(subject, ()) if rule.fits(principal))


def _roles(to: Roles) -> frozenset[str] | None:
    if isinstance(to, Everyone):
        return None
    roles = frozenset((to,) if isinstance(to, str) else to)
    if not roles or not all(isinstance(role, str) and role for role in roles):
        raise DefinitionError(f"to={shown(to)} names no role. Give a role, several, or EVERYONE.")
    return roles


def _is(subject: object, *kinds: type) -> bool:
    return isinstance(subject, type) and issubclass(subject, kinds) and subject not in kinds


def _name(subject: object) -> str:
    if isinstance(subject, Operations):
        return "OPERATIONS"
    return getattr(subject, "__name__", None) or shown(subject)


class _AnyClaim(dict[str, Any]):
    def __missing__(self, claim: str) -> str:
        return ""


def _probe(spec: ViewSpec, rule: Rule) -> None:
    """Asks the condition about a made-up principal, so that a field without an index is found before it is needed."""
    assert rule.where is not None  # noqa: S101 - tells the type checker what allow() has looked at
    try:
        criteria = rule.where(Principal("", rule.roles or frozenset(), _AnyClaim()))
    except Exception:  # it is asked again about real ones, and then it has to answer
        return
    _check_fields(spec, criteria)


def _criteria(spec: ViewSpec, where: Where, principal: Principal) -> Mapping[str, Any] | None:
    """The condition's fields and values; None when the principal lacks a claim that it asks for.

    A value of None is such a claim, got by ``claims.get``: it would show every document in which nothing stands.
    """
    try:
        criteria = where(principal)
    except KeyError:
        return None
    _check_fields(spec, criteria)
    return None if any(value is None for value in criteria.values()) else criteria


def _check_fields(spec: ViewSpec, criteria: object) -> None:
    _check_awaited(criteria, "where", spec.name)
    if not isinstance(criteria, Mapping) or not criteria:
        raise DefinitionError(
            f"where= for {spec.name} gave {shown(criteria)}. Return a dict from fields to values; leave where= out to "
            "show every document."
        )
    indexed = {spec.key, *(field for index in spec.indexes for field in index)}
    unknown = sorted(str(field) for field in criteria if field not in indexed)
    if unknown:
        raise DefinitionError(
            f"where= for {spec.name} compares {', '.join(unknown)}, which is not indexed. Add it to indexes=[…] of the "
            "view, or compare an indexed field or the key."
        )


def _holds(when: When, principal: Principal, command: Command) -> bool:
    try:
        answer: object = when(principal, command)
    except KeyError:  # a claim that this principal does not have
        return False
    if not isinstance(answer, bool):
        _check_awaited(answer, "when", type(command).__name__)
    return bool(answer)


def _is_async(condition: object) -> bool:
    return inspect.iscoroutinefunction(condition) or inspect.iscoroutinefunction(getattr(condition, "__call__", None))  # noqa: B004 - asked what it is, not whether


def _check_awaited(answer: object, name: str, what: str) -> None:
    """Passes an answer. Raises `DefinitionError` for the promise of one, which would count as a yes."""
    if inspect.isawaitable(answer):
        if inspect.iscoroutine(answer):
            answer.close()
        raise DefinitionError(
            f"{name}= for {what} has to be awaited, and is not. Give a plain function, and let the verifier put what "
            "it needs into the principal's claims."
        )


def unknown_principal() -> AccessDenied:
    """The refusal of somebody who showed no credential, where it has to be known who it is."""
    return AccessDenied("Who you are is not known. Send a credential.", code="unauthenticated")


def _denied(principal: Principal | None, subject: object) -> AccessDenied:
    if principal is None:
        return unknown_principal()
    name = "What is for operators" if isinstance(subject, Operations) else _name(subject)
    return AccessDenied(f"{name} is not open to you. Ask for a role that it is open to.")
