"""Security: by which credentials the services know who asks, as OpenAPI describes it. Pure.

A verifier says it in its attribute `schemes`, by name, each as a security scheme object; without one it is taken to
read bearer tokens.
"""

from __future__ import annotations

from typing import Any

from storied.domain.access import OPERATIONS, Access, Verifier
from storied.services.access.identity import schemes_of
from storied.services.web.routing import Route


class Security:
    """Which credentials there are, and which routes ask for one."""

    def __init__(self, verifier: Verifier | None, access: Access) -> None:
        self._access = access
        self.schemes: dict[str, Any] = {} if verifier is None else dict(schemes_of(verifier))
        self.asks = verifier is not None or access.configured
        """Whether a request may be refused by who sends it."""

    def of(self, route: Route, *, known: bool = False) -> list[dict[str, list[str]]]:
        """The alternatives that open the route; where somebody has to be *known*, none without a credential."""
        shown: list[dict[str, list[str]]] = [{name: []} for name in self.schemes]
        return [*shown, {}] if not shown or (self._is_for_everyone(route) and not known) else shown

    def _is_for_everyone(self, route: Route) -> bool:
        if route.open or not self._access.configured:
            return route.open
        rules = self._access.rules.get(OPERATIONS if route.subject is None else route.subject, ())
        return any(rule.fits(None) for rule in rules)
