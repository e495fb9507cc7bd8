"""The command service: the routes of an app's commands, as an ASGI application.

A request becomes a command, the app executes it, and the answer says what changed and where in the log that stands.
The answer is made from what is stored alone, so that a repeat under the same key gets it byte for byte.
"""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import quote

import msgspec

from storied.app import App
from storied.commands.execute import Done
from storied.commands.execute import Request as Asked
from storied.commands.loading import boundary_items
from storied.domain.commands import Command
from storied.domain.ids import new_id
from storied.errors import (
    Conflict,
    DefinitionError,
    InvalidCommand,
    InvalidEvent,
    InvalidQuery,
    Outdated,
    RequestRefused,
    StoreError,
    StoreFenced,
    StoreUnavailable,
    UnknownOutcome,
)
from storied.opened import OpenApp
from storied.projections.parking import Written
from storied.services.access.identity import credential_headers
from storied.services.commanding.awaiting import types_of, wait_for_views
from storied.services.commanding.binding import Binding
from storied.services.commanding.changes import Changed, Told
from storied.services.commanding.doubting import Doubt, Failure
from storied.services.commanding.members import created, key_of_member, keys_in_paths
from storied.services.commanding.reopening import SameStore
from storied.services.describing.description import add_description
from storied.services.gate import Gate
from storied.services.health import Readiness, add_health
from storied.services.service import Opening, Service
from storied.services.settings import POSITION_HEADER, SECRET_HEADERS, Settings
from storied.services.web.cookies import kept_cookie
from storied.services.web.http import Header, Request, Response
from storied.services.web.preconditions import SAID, command_id_of, said_by, spelled
from storied.services.web.routing import Router, parse_template
from storied.store.placing import Placed
from storied.store.query import Query
from storied.store.records import Receipt

COMMAND_METHODS = ("POST", "PUT", "PATCH", "DELETE")

_POSITION = POSITION_HEADER.lower().encode()
_JSON = (b"content-type", b"application/json")
_NO_STORE = (b"cache-control", b"no-store")
_encoder = msgspec.json.Encoder()
_TOO_MUCH = frozenset({"too-large", "too-many-tags"})
"""What may be wrong with an event that a sound handler made of what its client sent."""
log = logging.getLogger("storied.services")


class CommandService(Service[OpenApp]):
    """The commands of an app over HTTP. Made by `command_service`."""

    def __init__(self, router: Router, same: SameStore, settings: Settings, gate: Gate) -> None:
        super().__init__(router, Opening(same.open), settings, gate)
        self.gate, self._same = gate, same
        self._doubt = Doubt()

    def forget(self) -> None:
        """Another opening may have another log, as each of ``memory://`` has."""
        self._same.forget()
        self._doubt = Doubt()

    async def readied(self) -> Readiness:
        """Whether commands can be decided, and stored: the log answers, is in its place, and no write has failed."""
        shop = await self.opening.get()
        if isinstance(shop.store, Placed):
            shop.store.check_place()
        reason, head = await self._doubt.reason(shop), await shop.store.head()
        return Readiness(reason is None, [] if reason is None else [reason], head=head)

    def distrust(self, shop: OpenApp, error: Failure) -> None:
        """Hears that a write failed. A store that takes none any more is opened anew, where that may help."""
        self._doubt.failed(shop, error)
        if isinstance(error, StoreUnavailable):
            return
        if self._same.may_reopen(error) and self.opening.renew(shop):
            log.warning("the store takes no writes any more, and is opened anew: %s", error.reason)


def command_service(
    app: App,
    where: str | OpenApp,
    *,
    settings: Settings | None = None,
    gate: Gate | None = None,
    views: bool = True,
) -> CommandService:
    """The commands of *app* that have routes, as an ASGI application.

    *where* is the URL of a store, which the service opens and closes, or an opened app, which stays its owner's. With
    ``views=False`` another process keeps the views of the store up to date. Raises `DefinitionError`.
    """
    settings = settings or Settings()
    gate = gate or Gate(app, settings)
    service = CommandService(Router(), SameStore(app, where, views=views), settings, gate)
    keys = keys_in_paths(app)
    secrets = secret_headers(gate)
    for command, handler in app.handlers.items():
        for text in app.routes[command]:
            template = parse_template(text, COMMAND_METHODS)
            binding = Binding(command, template, handler, keys, secrets)
            service.router.add(template, CommandEndpoint(service, app, binding), command)
    add_health(service.router, gate, service.readied)
    add_description(service.router, gate)
    return service


def secret_headers(gate: Gate) -> frozenset[str]:
    """The headers that no event may carry: those that hold secrets anywhere, and those that the verifier reads.

    Raises `DefinitionError` when the settings keep one.
    """
    if gate.verifier is None:
        return SECRET_HEADERS
    read = frozenset(credential_headers(gate.verifier))
    kept = sorted(read & gate.settings.kept_headers)
    if kept:
        raise DefinitionError(
            f"kept_headers= names {', '.join(kept)}, in which credentials come, and a log never forgets. Take who asks "
            "from the context's actor."
        )
    return SECRET_HEADERS | read


class CommandEndpoint:
    """What answers the requests of one route: it binds, asks whether it may, executes, and tells what changed."""

    def __init__(self, service: CommandService, app: App, binding: Binding) -> None:
        self.service, self.app, self.binding = service, app, binding
        self._member = key_of_member(app, binding.template)
        self._shape = binding.template.shape

    async def __call__(self, request: Request) -> Response:
        """The answer to one request. Raises what the table of problems has."""
        seen, key, wanted = None, None, None
        if not SAID.isdisjoint(request.headers.table):
            seen, key, wanted = said_by(request.headers)
        opening = self.service.opening
        try:
            command = await self.binding.bind(request)
        except RequestRefused as refused:
            if key is None or refused.code != "invalid-fields":
                raise
            return await self._repeated(await opening.get(), request, key, refused)
        self.app.access.check_command(request.principal, command)
        shop = opening.value if opening.is_open else await opening.get()
        given = key or new_id()
        asked = self._asked(request, given, self.binding.fingerprint(request), seen, fresh=key is None)
        request.repeat_key = spelled(given)
        try:
            receipt, events = await self._performed(shop, command, asked)
        except Conflict as conflict:
            if self.app.access.configured:
                raise discreet(conflict, asked.actor) from None
            raise
        except (UnknownOutcome, asyncio.CancelledError):
            raise
        except BaseException:
            if not request.appends:  # nothing is stored, and a repeat would end as this did
                request.repeat_key = None
            raise
        self.service.gate.meters.stored(receipt.count)
        answer = self._answer(shop, request, Changed(receipt.position, receipt.count, events), command)
        if wanted is not None:
            self.service.release()
            written, limit = self._written(command, receipt), self.service.settings.wait_limit
            types = {event.type for event in events} if written.rests_on is None else types_of(written.rests_on)
            applied = await wait_for_views(shop, self.app.views, written, types, wanted, limit)
            if applied is not None:
                answer.headers.append((b"preference-applied", applied.encode()))
        return answer

    async def _repeated(self, shop: OpenApp, request: Request, key: str, refused: RequestRefused) -> Response:
        """The first answer to a request that earlier code took, and this one refuses. Raises *refused* of any other.

        Whoever repeats a request asks what came of it, and must not hear that nothing was done.
        """
        receipt = await shop.store.receipt(self._command_id(request, key), self.binding.fingerprint(request))
        if receipt is None:
            raise refused
        receipt, events = await _told(shop, Done(receipt))
        return self._answer(shop, request, Changed(receipt.position, receipt.count, events))

    def _answer(self, shop: OpenApp, request: Request, changed: Changed, command: Command | None = None) -> Response:
        """What the sender of the command is told, as far as it is made of what is stored."""
        headers = self._headers(shop, request, changed.position)
        member = None if self._member is None else created(self._member, command, changed.events)
        if member is not None:
            headers.append(self._location(request, member))
        return Response(200 if member is None else 201, _encoder.encode(changed), headers)

    async def _performed(self, shop: OpenApp, command: Command, asked: Asked) -> tuple[Receipt, list[Told]]:
        try:
            done = await shop.perform(command, asked)
        except InvalidEvent as error:
            if error.code in _TOO_MUCH:
                raise
            handler = self.app.handlers[type(command)].name
            raise DefinitionError(f"handler {handler} decided on what cannot be stored: {error}") from error
        except InvalidCommand as error:
            if error.code != "nothing-to-compare":
                raise
            told = "This command rests on nothing that If-Match could be compared with. Leave If-Match out."
            raise InvalidCommand(told, code=error.code) from None
        except InvalidQuery as error:
            if error.code != "future-position":
                raise
            raise RequestRefused(
                "unknown-position", f"The log has not reached position {asked.seen}. Nothing was stored. Read again."
            ) from None
        except (StoreFenced, StoreUnavailable, UnknownOutcome) as error:
            self.service.distrust(shop, error)
            raise
        return await _told(shop, done)

    def _command_id(self, request: Request, key: str) -> str:
        actor = "" if request.principal is None else request.principal.id
        return command_id_of(actor, self._shape, key)

    def _asked(self, request: Request, key: str, fingerprint: bytes, seen: int | None, *, fresh: bool) -> Asked:
        actor = None if request.principal is None else request.principal.id
        headers = {} if request.traceparent is None else {"traceparent": request.traceparent}
        for name in self.service.settings.kept_headers:
            text = request.headers.get(name)
            if text is not None:
                headers[name] = text
        return Asked(
            command_id=self._command_id(request, key),
            fingerprint=fingerprint,
            actor=actor,
            correlation=request.request_id or None,
            headers=headers,
            seen=seen,
            fresh=fresh,
            appending=request.begin_append,
        )

    def _written(self, command: Command, receipt: Receipt) -> Written:
        """What was written; where nothing had to change, the documents of what that was decided about."""
        if receipt.count:
            return Written(receipt.first - 1, receipt.position)
        boundary = self.app.handlers[type(command)].boundary(command)
        items = boundary_items(boundary)
        keys = frozenset(loaded.entity_id for loaded in boundary if loaded.entity_id is not None)
        return Written(receipt.position, receipt.position, keys, Query(items) if items else None)

    def _headers(self, shop: OpenApp, request: Request, at: int) -> list[Header]:
        position = b"%d" % at
        headers: list[Header] = [_JSON, _NO_STORE, (_POSITION, position), (b"etag", b'"%b"' % position)]
        if self.service.settings.position_cookie:
            headers.append((b"set-cookie", kept_cookie(request, shop.store.identity, at)))
        return headers

    def _location(self, request: Request, member: str) -> Header:
        """Where the member that was created is served."""
        parts = (*self.binding.template.filled(request.path_params), member)
        path = quote(request.root) + "".join("/" + quote(part, safe="") for part in parts)
        return b"location", path.encode()


def discreet(conflict: Conflict, actor: str | None) -> Conflict:
    """The refusal without who else acted: where there are rules, a right to a command is none to see others' doings."""
    if isinstance(conflict, Outdated):
        between = [one if one.actor == actor else one._replace(actor=None) for one in conflict.between]
        return Outdated(conflict.seen, tuple(between), more=conflict.more)
    return Conflict(
        after=conflict.after,
        position=conflict.position,
        type=conflict.type,
        tags=conflict.tags,
        actor=actor if conflict.actor == actor else None,
    )


async def _told(shop: OpenApp, done: Done) -> tuple[Receipt, list[Told]]:
    """What is told of what was done. Raises `UnknownOutcome` when it is stored and cannot be read back."""
    receipt = done.receipt
    if done.events is not None:
        return receipt, [Told(receipt.first + n, e.id, e.type, e.tags) for n, e in enumerate(done.events)]
    if not receipt.count:
        return receipt, []
    try:
        records = await shop.store.read(after=receipt.first - 1, until=receipt.position).list()
    except StoreError as error:
        raise UnknownOutcome(receipt.append_id, error.code) from error
    return receipt, [Told(r.position, r.id, r.type, r.tags) for r in records]
