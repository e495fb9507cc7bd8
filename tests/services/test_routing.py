"""Templates are read with care, and each request finds one route."""

from __future__ import annotations

import pytest

from storied.errors import DefinitionError, RequestRefused
from storied.services.web.http import Answer, Request, Response
from storied.services.web.routing import Router, parse_template


async def _endpoint(request: Request) -> Answer:
    return Response(200, request.path.encode())


def _router(*templates: str) -> Router:
    router = Router()
    for template in templates:
        router.add(parse_template(template), _endpoint)
    return router


ORDERS = _router(
    "GET /orders", "POST /orders", "GET /orders/{order}", "DELETE /orders/{order}", "POST /orders/{order}/payments/{n}"
)


def test_a_template_is_taken_apart() -> None:
    """Into its method, its parts, and the names of its parameters."""
    template = parse_template("POST /orders/{order}/payments/{n}")
    assert (template.method, template.path) == ("POST", "/orders/{order}/payments/{n}")
    assert template.parameters == ("order", "n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/orders",
        "post /orders",
        "FETCH /orders",
        "GET orders",
        "GET  /orders",
        "GET /orders ",
        "GET /orders/",
        "GET //orders",
        "GET /orders/{}",
        "GET /orders/{or-der}",
        "GET /orders/o{order}",
        "GET /a b",
        "GET /{a}/{a}",
        "GET /a?b",
    ],
)
def test_a_template_that_means_nothing_is_refused(text: str) -> None:
    """At once, and in a sentence."""
    with pytest.raises(DefinitionError, match="route"):
        parse_template(text)


@pytest.mark.parametrize(
    ("method", "path", "template", "values"),
    [
        ("GET", "/orders", "GET /orders", {}),
        ("HEAD", "/orders", "GET /orders", {}),
        ("POST", "/orders", "POST /orders", {}),
        ("DELETE", "/orders/o-1", "DELETE /orders/{order}", {"order": "o-1"}),
        ("POST", "/orders/o-1/payments/2", "POST /orders/{order}/payments/{n}", {"order": "o-1", "n": "2"}),
    ],
)
def test_a_request_finds_its_route(method: str, path: str, template: str, values: dict[str, str]) -> None:
    """By method and path, with the values of the parameters."""
    route, found = ORDERS.match(method, path.split("/")[1:])
    assert (route.template.text, found) == (template, values)


@pytest.mark.parametrize("path", ["/", "/order", "/orders/", "/orders/o-1/payments", "/orders/o-1/payments/2/3", "//"])
def test_a_path_that_no_route_has_is_not_found(path: str) -> None:
    """A parameter is never empty, and a slash at the end makes another path."""
    with pytest.raises(RequestRefused) as refused:
        ORDERS.match("GET", path.split("/")[1:])
    assert refused.value.code == "not-found"


def test_another_method_is_told_which_are_taken() -> None:
    """In the Allow header that HTTP asks for."""
    with pytest.raises(RequestRefused) as refused:
        ORDERS.match("PUT", ["orders", "o-1"])
    assert refused.value.code == "method-not-allowed"
    assert refused.value.headers == {"Allow": "GET, HEAD, DELETE, OPTIONS"}


def test_a_method_that_is_not_known_is_for_no_path() -> None:
    """There is nothing that it could be answered with, whatever server the service runs behind."""
    with pytest.raises(RequestRefused, match="'FOO'") as refused:
        ORDERS.match("FOO", ["orders", "o-1"])
    assert (refused.value.code, refused.value.headers) == ("not-implemented", {})


def test_a_path_written_out_goes_before_a_parameter() -> None:
    """In whatever order they were added; and where it leads nowhere, the parameter has its turn."""
    router = _router("GET /a/{x}", "GET /a/new", "GET /a/{x}/edit")
    assert router.match("GET", ["a", "new"])[0].template.text == "GET /a/new"
    assert router.match("GET", ["a", "old"])[1] == {"x": "old"}
    assert router.match("GET", ["a", "new", "edit"])[1] == {"x": "new"}


def test_two_routes_that_no_client_can_tell_apart_are_refused() -> None:
    """The names of parameters make no difference to a request."""
    with pytest.raises(DefinitionError, match="same to a client"):
        _router("GET /a/{x}", "GET /a/{y}")


def test_the_services_own_routes_are_not_the_apps() -> None:
    """The error says why the path is not to be had."""
    router = _router("GET /livez")
    with pytest.raises(DefinitionError, match="'GET /livez' is the service's own"):
        router.add(parse_template("GET /livez"), router.routes[0].endpoint, open=True)


def test_the_root_can_be_a_route() -> None:
    """A path of one slash has no parts."""
    assert _router("GET /").match("GET", [""])[1] == {}
