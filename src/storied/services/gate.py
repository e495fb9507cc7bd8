"""The gate: what every request passes on its way to an endpoint of a service, and on its way back.

Who asks is known by the credential alone, and what they may come to is decided by the rules of the app before the
endpoint is called: a route that no rule names is closed. The single case, one command or one document, is the
endpoint's to look at.
"""

from __future__ import annotations

import time

from storied.app import App
from storied.domain.access import OPERATIONS, Access
from storied.errors import AccessDenied, RequestRefused
from storied.services.access.guarding import Guard, Rates, Streams
from storied.services.access.identity import identify, unauthenticated
from storied.services.service import Pipeline
from storied.services.settings import Settings
from storied.services.telemetry.observing import Meters, Observer, audit_request
from storied.services.web.forwarding import Proxies
from storied.services.web.hosts import is_loopback, is_loopback_address, name_in
from storied.services.web.http import Request
from storied.services.web.routing import Route

_FORWARDED = (b"forwarded", b"x-real-ip", b"cf-connecting-ip", b"via")
"""Headers by which a proxy says that it passes a request on, beside all that begin with ``x-forwarded-``."""


class Gate(Pipeline):
    """The pipeline of an app's services. One may serve several services of one process."""

    def __init__(self, app: App, settings: Settings, meters: Meters | None = None) -> None:
        super().__init__()
        self.app, self.access, self.settings = app, app.access, settings
        self.verifier = settings.verifier or app.verifier
        self.meters = meters or Meters()
        self._proxies = Proxies(settings.proxies, settings.proxy_header) if settings.proxies else None
        self._observer = Observer(settings, self.meters)
        self._guard = Guard(settings)
        self._rates = Rates(settings.rate, settings.burst)
        self._limits = settings.rate > 0
        self._streams = Streams(settings.stream_limit, settings.client_stream_limit)
        self.draining = False
        """Whether the server is going down, so that nobody should send anything more here."""

    def start(self, request: Request) -> None:
        """As `Pipeline` says; from here on the request comes from who sent it to a proxy that is trusted."""
        if self._proxies is not None:
            self._proxies.tell(request)
        self._observer.start(request)

    def guard(self, request: Request) -> None:
        """As `Pipeline` says."""
        self._guard.check(request)

    def stream_seconds(self, request: Request) -> float:
        """As `Pipeline` says: no longer than the settings allow, nor than the credential holds."""
        limit = self.settings.stream_seconds
        ends = None if request.principal is None else request.principal.claims.get("exp")
        return max(0.0, min(limit, ends - time.time())) if isinstance(ends, int | float) else limit

    def begin_stream(self, request: Request) -> None:
        """As `Pipeline` says."""
        try:
            self._streams.begin(_who(request))
        except RequestRefused:
            self.meters.streams_refused.add()
            raise
        self.meters.streams.add()

    def end_stream(self, request: Request) -> None:
        """As `Pipeline` says."""
        self._streams.end(_who(request))
        self.meters.streams.add((), -1)

    async def admit(self, request: Request, route: Route) -> None:
        """As `Pipeline` says. An open route asks for no credential, and one that does not hold is still refused."""
        if self.verifier is not None:
            try:
                request.principal = await identify(self.verifier, request.headers)
            except AccessDenied:
                if self._limits:
                    self._rates.take(_who(request))  # guessing costs an address what asking costs it
                raise
            except RequestRefused:  # it cannot be told now; an open route does not depend on it
                if not route.open:
                    raise
        if self._limits and not route.open:
            self._rates.take(_who(request))
        if route.open:
            return
        if self.access.configured:
            if route.subject is None:
                check_operator(self.access, request, route)
            else:
                self.access.check(request.principal, route.subject)
        elif self.verifier is not None and request.principal is None:
            raise unauthenticated("Who you are is not known")

    def finish(self, request: Request, status: int, seconds: float, error: BaseException | None) -> None:
        """As `Pipeline` says."""
        super().finish(request, status, seconds, error)
        self._observer.finish(request, status, seconds, error)


def check_operator(access: Access, request: Request, route: Route) -> None:
    """Passes who may operate the services; whoever else tries is put on record. Raises `AccessDenied`."""
    try:
        access.check(request.principal, OPERATIONS)
    except AccessDenied:
        audit_request(route.template.text, request, allowed=False)
        raise
    audit_request(route.template.text, request, allowed=True)


def is_operator(gate: Gate, request: Request) -> bool:
    """Whether who asks may see how the services are doing: by a rule, or as `is_local` says."""
    if request.stray:
        return False
    if is_local(gate, request):
        return True
    if not gate.access.configured:
        return request.principal is not None
    try:
        gate.access.check(request.principal, OPERATIONS)
    except AccessDenied:
        return False
    return True


def is_local(gate: Gate, request: Request) -> bool:
    """Whether it counts that the request comes from this machine.

    Where credentials are asked for, it does only if the settings say so: a proxy on this machine sends everybody's
    requests from here, and not every proxy says for whom.
    """
    asks = gate.verifier is not None or gate.access.configured
    return (gate.settings.local_operators or not asks) and comes_from_here(request)


def comes_from_here(request: Request) -> bool:
    """Whether the request comes from this machine and asks for it, and nobody says that they pass it on for another."""
    table = request.headers.table
    if request.address is None or any(map(_says_forwarded, table)):
        return False
    return is_loopback_address(request.address) and is_loopback(name_in(table.get(b"host", b"").decode("latin-1")))


def _says_forwarded(name: bytes) -> bool:
    return name in _FORWARDED or name.startswith(b"x-forwarded-")


def _who(request: Request) -> str:
    """What requests and streams are counted by: the principal, or the address of who shows no credential."""
    if request.principal is not None:
        return request.principal.id
    return f"@{request.address or ''}"
