"""The description of the services: whole, valid, and true to what they take and give."""

from __future__ import annotations

from copy import copy
from functools import partial
from itertools import combinations
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from openapi_spec_validator import OpenAPIV31SpecValidator

from storied import App, Command, Entity, Event, Id, View, on, services
from storied.domain.access import EVERYONE
from storied.examples.shop import app as shop
from storied.services.access.identity import ApiKeys, Verifiers, new_key
from storied.services.commands import command_service
from storied.services.gate import Gate
from storied.services.openapi import openapi
from storied.services.queries import query_service
from storied.services.settings import Settings
from storied.services.sides import Side, service_of
from storied.services.web.problems import BY_CLASS, BY_CODE, TYPE_PREFIX
from tests.services.asgi import ask
from tests.services.library import library
from tests.services.oddities import odd
from tests.services.test_held_back import HivePage, Meadow

SIDES: tuple[Side, ...] = ("commands", "queries", "both")
ANNA, ANNA_KEY = new_key("anna", ["writer"])
FORMATS = copy(oas31_format_checker)
FORMATS.checkers = {
    name: check
    for name, check in oas31_format_checker.checkers.items()
    if name != "time"  # which it takes without a zone only, against RFC 3339
}


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The operations by ``GET /path``."""
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def check_example(document: dict[str, Any], schema: dict[str, Any], example: Any) -> None:
    """Passes an example that its schema allows, formats of times and ids included."""
    whole = {**schema, "components": document["components"]}
    OAS31Validator(whole, format_checker=FORMATS).validate(example)


def resolved(document: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    """What the reference refers to; anything else is itself."""
    found = document
    for name in one["$ref"].split("/")[1:] if "$ref" in one else ():
        found = found[name]
    return found if "$ref" in one else one


@pytest.mark.parametrize("app", [shop, odd], ids=["shop", "odd"])
@pytest.mark.parametrize("side", SIDES)
def test_the_description_is_valid(app: App, side: Side) -> None:
    """It is an OpenAPI 3.1 document, whatever types the app has, of either service and of both."""
    document = openapi(app, side)
    assert document["openapi"].startswith("3.1.")
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


@pytest.mark.parametrize("app", [shop, odd], ids=["shop", "odd"])
@pytest.mark.parametrize("side", SIDES)
def test_no_route_is_left_out(app: App, side: Side) -> None:
    """Each route of the service is described, and no other; the parts of the page are not asked for by themselves."""
    service = service_of(app, "memory://", side, Gate(app, Settings()), views=False)
    routes = {route.template.text for route in service.router.routes}
    described = set(operations(openapi(app, side)))
    assert described == {text for text in routes if not text.startswith("GET /docs/")}


@pytest.mark.parametrize("app", [shop, odd], ids=["shop", "odd"])
def test_every_example_is_allowed_by_its_schema(app: App) -> None:
    """Those of parameters, bodies, answers and problems."""
    document = openapi(app)
    checked = 0
    for operation in operations(document).values():
        holders = [operation.get("requestBody", {}), *operation["responses"].values()]
        for holder in (resolved(document, one) for one in holders):
            for content in holder.get("content", {}).values():
                examples = [one["value"] for one in content.get("examples", {}).values()]
                for example in [*examples, *([content["example"]] if "example" in content else [])]:
                    check_example(document, content["schema"], example)
                    checked += 1
        for parameter in operation["parameters"]:
            if "example" in parameter:
                check_example(document, parameter["schema"], parameter["example"])
    for kind in ("headers", "parameters"):
        for one in document["components"][kind].values():
            for example in one["schema"].get("examples", ()):
                check_example(document, one["schema"], example)
    assert checked > 50


def test_every_body_has_an_example() -> None:
    """Also one of odd types."""
    bodies = [one["requestBody"] for one in operations(openapi(odd)).values() if "requestBody" in one]
    found = [body["content"]["application/json"] for body in bodies]
    assert found
    assert all("example" in content for content in found)


def test_operation_ids_are_stable_and_their_own() -> None:
    """They are made of the names of commands, views and queries, and the same whichever side describes them."""
    both = {text: one["operationId"] for text, one in operations(openapi(shop)).items()}
    assert len(set(both.values())) == len(both)
    sides: dict[str, str] = {}
    for side in ("commands", "queries"):
        sides |= {text: one["operationId"] for text, one in operations(openapi(shop, side)).items()}
    assert sides == both
    assert both["POST /orders"] == "placeOrder"
    assert both["DELETE /orders/{order}"] == "cancelOrder"
    assert both["GET /orders/{order}"] == "getOrderPage"
    assert both["GET /orders/{order}/history"] == "historyOfOrderPage"


def test_a_history_that_cannot_be_told_is_not_described() -> None:
    """Of a view that finds documents by what is in them; its documents are as any others."""
    app = App("meadows")
    app.view("GET /hives/{hive}")(HivePage)
    app.view("GET /meadows/{meadow}")(Meadow)
    assert set(operations(openapi(app, "queries"))) >= {"GET /hives/{hive}", "GET /meadows/{meadow}/history"}
    assert "GET /hives/{hive}/history" not in operations(openapi(app, "queries"))


def test_docstrings_become_summaries() -> None:
    """The handler says what it does, the command what it means; without a docstring the name has to do."""
    found = operations(openapi(shop))["POST /orders/{order}/payments"]
    assert found["summary"] == "Takes a payment of up to what is open."
    assert found["description"] == "A payment came in for an order."
    assert operations(openapi(odd))["POST /things"]["summary"] == "Undocumented."


def test_a_field_of_the_path_is_no_member_of_the_body() -> None:
    """Nor is one of a header; routes with the same rest share a schema."""
    document = openapi(odd)
    found = operations(document)
    whole = found["PUT /things/{thing}"]
    body = document["components"]["schemas"]["Everything"]
    assert "thing" not in body["properties"]
    assert "language" not in body["properties"]
    assert {"path": "thing", "header": "accept-language"}.items() <= {
        one["in"]: one["name"] for one in reversed(whole["parameters"]) if one.get("required")
    }.items()
    assert body["properties"]["like"]["examples"] == ["AB-12"]
    assert whole["requestBody"]["content"]["application/json"]["example"]["like"] == "AB-12"
    assert found["DELETE /things/{thing}"]["requestBody"]["required"] is False
    assert "requestBody" not in found["POST /things/{thing}/{flag}"]


def test_what_is_sent_differs_from_what_is_received() -> None:
    """What is sent has no unknown members, and may leave out what has a default; what is received has every member."""
    schemas = openapi(odd)["components"]["schemas"]
    assert schemas["InnerInput"]["additionalProperties"] is False
    assert "required" not in schemas["InnerInput"] or schemas["InnerInput"]["required"] == []
    assert schemas["Inner"]["required"] == ["atHome", "tags"]
    assert "additionalProperties" not in schemas["Inner"]
    assert schemas["TreeInput"]["properties"]["branches"]["items"] == {"$ref": "#/components/schemas/TreeInput"}
    assert schemas["CashInput"]["properties"]["received"]["type"] == ["string", "number"]
    assert schemas["Cash"]["properties"]["received"]["type"] == "string"
    assert schemas["Cash"]["required"] == ["type", "received", "notes"]


def test_times_say_that_they_are_times() -> None:
    """At any depth, and whether or not they have to have a zone."""
    found = openapi(odd)["components"]["schemas"]["Everything"]["properties"]
    assert found["when"]["format"] == found["zoned"]["format"] == "date-time"
    assert found["maybe"]["anyOf"][0]["format"] == "date-time"
    assert found["byNumber"]["additionalProperties"]["items"]["format"] == "date-time"
    assert found["fixed"]["prefixItems"][2]["format"] == "date-time"
    assert "format" not in found["short"]


def test_a_list_takes_filters_by_its_indexes() -> None:
    """With the types of the fields; a field called like a parameter of the list itself is asked for with ``.eq``."""
    found = operations(openapi(odd))["GET /things"]
    given = {one["name"]: one["schema"] for one in found["parameters"] if "name" in one}
    assert given["amount"]["format"] == "decimal"
    assert given["placed.ge"]["anyOf"] == [{"format": "date-time"}, {"format": "date"}]
    assert given["colour"]["enum"] == ["blue", "red"]
    assert given["limit.eq"]["type"] == "integer"
    assert given["limit"]["maximum"] == 1000
    assert given["placed.null"]["enum"] == ["true"]
    assert set(given["sort"]["enum"]) >= {"thing", "-thing", "placed", "-placed"}
    shelf = operations(openapi(odd))["GET /shelves/{shelf}"]
    assert "shelf.ge" not in {one.get("name") for one in shelf["parameters"]}


async def test_which_parameters_of_a_list_do_not_go_together() -> None:
    """Each pair that is refused is named as such, by the operation and by both parameters, and no other pair."""
    described = operations(openapi(library))["GET /books"]
    given = {one["name"]: one for one in described["parameters"] if one.get("in") == "query"}
    values = {"author": "austen", "price": "3", "kind": "essay", "reader": "r-1", "published": "1815-12-23"}
    values |= {"lent_at": "2018-01-01", "times": "1", "sort": "price", "limit": "5"}
    apart = {frozenset(pair) for told in described["x-dependencies"] for pair in pairs_apart(told)}
    async with library.open("memory://") as opened, query_service(library, opened) as service:
        for pair in combinations(given, 2):
            asked = {one: "true" if one.endswith(".null") else values[one.partition(".")[0]] for one in pair}
            answer = await ask(service, "GET", f"/books?{urlencode(asked)}")
            assert answer.status == (400 if frozenset(pair) in apart else 200), pair
    for one, other in (pair for pair in map(sorted, apart) if "." not in pair[0]):
        assert "Not with" in given[one]["description"], one
        assert f"`{one}`" in given[other]["description"], other


def pairs_apart(dependency: str) -> list[tuple[str, str]]:
    """The pairs of parameters of which there may be one alone, as ``ZeroOrOne(a, b, (c OR d));`` says it."""
    inside = dependency.removeprefix("ZeroOrOne(").removesuffix(");")
    several = [one.strip("()").split(" OR ") for one in inside.split(", ")]
    return [(one, other) for left, right in combinations(several, 2) for one in left for other in right]


def test_if_match_is_for_commands_that_rest_on_something() -> None:
    """What a handler without entities decides has nothing that could have changed."""
    app = App("notes")

    class Noted(Event):
        note: Id

    class Note(Entity): ...

    class Add(Command):
        note: Id

    class Change(Command):
        note: Id

    @app.command("POST /notes")
    def add(command: Add) -> Noted:
        return Noted(note=command.note)

    @app.command("PUT /notes/{note}")
    def change(command: Change, note: Note) -> Noted:
        return Noted(note=command.note)

    found = operations(openapi(app))
    if_match = {"$ref": "#/components/parameters/If-Match"}
    assert if_match not in found["POST /notes"]["parameters"]
    assert if_match in found["PUT /notes/{note}"]["parameters"]


def test_a_stream_says_what_does_not_go_with_it() -> None:
    """It begins with the present, and with the first page."""
    document = openapi(shop)
    for name in ("at", "cursor"):
        described = [
            one["description"]
            for one in map(partial(resolved, document), operations(document)["GET /orders"]["parameters"])
            if one["name"] == name
        ]
        assert "ot with `text/event-stream`" in described[0]


def test_a_query_is_described_by_its_signature() -> None:
    """Its parameters with types and defaults, its answer by what it returns."""
    document = openapi(odd)
    found = operations(document)["GET /counted/{colour}"]
    given = {one["name"]: one for one in found["parameters"] if "name" in one}
    assert (given["colour"]["in"], given["colour"]["schema"]["enum"]) == ("path", ["blue", "red"])
    assert given["since"]["required"] is True
    assert given["most"]["schema"] == {
        "type": "integer",
        "format": "int64",
        "minimum": 1,
        "maximum": 99,
        "examples": [7],
        "default": 10,
    }
    assert given["most"]["description"] == "How many at most."
    assert given["sizes"]["schema"]["type"] == "array"
    assert given["words"]["schema"] == {"type": "array", "items": {"type": "string"}}
    content = found["responses"]["200"]["content"]["application/json"]
    whole = {"type": "integer", "format": "int64"}
    assert content["schema"] == {"type": "object", "additionalProperties": whole}


def test_every_problem_is_described_somewhere() -> None:
    """Each row of the one table, but for the method that a path does not take: no described one is such."""
    queried = App("queried")
    queried.verifier = ApiKeys([ANNA_KEY])
    queried._handlers, queried._views = shop._handlers, shop._views
    queried._routes, queried._queries = shop._routes, odd._queries
    document = openapi(queried, settings=Settings(rate=1))
    told = {
        name.removeprefix(TYPE_PREFIX)
        for response in document["components"]["responses"].values()
        for name in told_of(document, response)["type"]["enum"]
    }
    assert told == {problem.type for problem in (*BY_CODE.values(), *BY_CLASS.values())} - {"method-not-allowed"}


def told_of(document: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    """What a response says of the members of its problems, beside what all problems have."""
    schema = resolved(document, response["content"]["application/problem+json"]["schema"])
    properties: dict[str, Any] = schema["allOf"][1]["properties"]
    return properties


def refused(rejects: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The response of a command that is refused by a rule, of a handler that declares this, and what it tells."""
    app = App("refusing")

    class Put(Event):
        thing: Id

    class PutThing(Command):
        thing: Id

    @app.command("PUT /things/{thing}", rejects=rejects)
    def put(command: PutThing) -> Put:
        return Put(thing=command.thing)

    document = openapi(app)
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []
    response = resolved(document, operations(document)["PUT /things/{thing}"]["responses"]["422"])
    return response, told_of(document, response)


def test_declared_rejections_are_described_by_their_codes() -> None:
    """As an enum, beside the code of a key that was used before, with an example and a sentence for each."""
    response, told = refused({"too-heavy": "the thing is too heavy", "too-late": ""})
    assert told["code"]["enum"] == ["too-heavy", "too-late", "append-id-reused"]
    assert "- `too-heavy`: the thing is too heavy.\n- `too-late`: too late." in response["description"]
    examples = response["content"]["application/problem+json"]["examples"]
    assert {name: one["value"]["code"] for name, one in examples.items()} == {
        "too-heavy": "too-heavy",
        "too-late": "too-late",
        "idempotency-key-reused": "append-id-reused",
    }
    assert examples["too-heavy"]["value"]["detail"] == "the thing is too heavy"


def test_a_handler_that_declares_no_rejection_may_have_any() -> None:
    """So the codes are open, and one example stands for all."""
    response, told = refused(None)
    assert "code" not in told
    assert "rejected" in response["content"]["application/problem+json"]["examples"]


def test_a_handler_that_declares_an_empty_list_never_rejects() -> None:
    """So nobody has to expect it."""
    _, told = refused([])
    assert told["type"]["enum"] == [f"{TYPE_PREFIX}idempotency-key-reused"]


def test_commands_of_one_name_keep_their_own_rejections() -> None:
    """One of them is described in its place."""
    app = App("twins")

    class One:
        class PutThing(Command):
            thing: Id

    class Two:
        class PutThing(Command):
            thing: Id

    @app.command("PUT /one/{thing}", rejects="no-one")
    def put_one(command: One.PutThing) -> None: ...

    @app.command("PUT /two/{thing}", rejects="no-two")
    def put_two(command: Two.PutThing) -> None: ...

    document = openapi(app)
    for path, code in (("one", "no-one"), ("two", "no-two")):
        response = operations(document)[f"PUT /{path}/{{thing}}"]["responses"]["422"]
        told = told_of(document, resolved(document, response))
        assert told["code"]["enum"] == [code, "append-id-reused"]


# --- what generators of clients need -----------------------------------------------------------------


@pytest.mark.parametrize("app", [shop, odd], ids=["shop", "odd"])
def test_no_two_schemas_have_one_title(app: App) -> None:
    """Generators name classes after titles, and of two of one name they drop one."""
    titles = [one["title"] for one in openapi(app)["components"]["schemas"].values() if "title" in one]
    assert sorted(titles) == sorted(set(titles))


@pytest.mark.parametrize("app", [shop, odd], ids=["shop", "odd"])
def test_problems_narrow_what_all_problems_have(app: App) -> None:
    """By schemas with names and types, which are merged: a number and a constant are not, everywhere."""
    document = openapi(app)
    for response in document["components"]["responses"].values():
        schema = response["content"]["application/problem+json"]["schema"]
        assert list(schema) == ["$ref"]
        common, narrower = resolved(document, schema)["allOf"]
        assert common == {"$ref": "#/components/schemas/Problem"}
        for name, one in narrower["properties"].items():
            assert one["type"] == document["components"]["schemas"]["Problem"]["properties"][name]["type"]
            assert one["enum"]


def test_an_app_may_have_problems_of_its_own() -> None:
    """A class called like one of ours keeps its name, and ours gets a longer one."""
    app = App("desk")

    class Reported(Event):
        problem: Id

    @app.view("GET /problems/{problem}")
    class Problem(View):
        """What a customer has told."""

        problem: Id

        @on
        def reported(self, event: Reported) -> None: ...

    document = openapi(app)
    schemas = document["components"]["schemas"]
    assert schemas["Problem"]["properties"].keys() == {"problem"}
    assert schemas["HttpProblem"]["properties"].keys() > {"type", "title", "status"}
    assert schemas["DocumentProblem404"]["allOf"][0] == {"$ref": "#/components/schemas/HttpProblem"}
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_a_tuple_is_as_long_as_it_is() -> None:
    """Its length is said by numbers: not every generator takes ``false`` for a schema."""
    fixed = openapi(odd)["components"]["schemas"]["Everything"]["properties"]["fixed"]
    assert (len(fixed["prefixItems"]), fixed["minItems"], fixed["maxItems"]) == (3, 3, 3)
    assert "items" not in fixed


@pytest.mark.parametrize("app", [shop, odd], ids=["shop", "odd"])
@pytest.mark.parametrize("side", SIDES)
def test_every_component_is_used(app: App, side: Side) -> None:
    """None is left over from what another service has."""
    document = openapi(app, side)
    text = msgspec.json.encode(document).decode()
    for kind, components in document["components"].items():
        assert [name for name in components if f'"#/components/{kind}/{name}"' not in text] == []


def test_orders_have_names() -> None:
    """A minus is no part of a name, so a generator would number those that have one."""
    given = operations(openapi(shop))["GET /orders"]["parameters"]
    [sort] = [one["schema"] for one in given if one.get("name") == "sort"]
    named = dict(zip(sort["enum"], sort["x-enum-varnames"], strict=True))
    assert (named["placed_at"], named["-placed_at"]) == ("PLACED_AT", "PLACED_AT_DESC")


def test_credentials_are_described_as_the_verifiers_take_them() -> None:
    """By name; a route that is open to everyone is open without one, too."""
    guarded = App("guarded")

    class Put(Event):
        thing: Id

    @guarded.view("GET /things/{thing}", "GET /things")
    class Thing(View):
        thing: Id

        @on
        def put(self, event: Put) -> None: ...

    class PutThing(Command):
        thing: Id

    @guarded.command("PUT /things/{thing}")
    def put(command: PutThing) -> Put:
        return Put(thing=command.thing)

    class Own:
        async def verify(self, headers: Any) -> None:
            return None

    guarded.verifier = Verifiers([ApiKeys([ANNA_KEY]), Own()])
    guarded.allow(Thing, to=EVERYONE)
    guarded.allow(PutThing, to="writer")
    document = openapi(guarded)
    schemes = document["components"]["securitySchemes"]
    assert schemes["apiKey"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    assert schemes["bearer"]["scheme"] == "bearer"
    found = operations(document)
    assert found["PUT /things/{thing}"]["security"] == [{"apiKey": []}, {"bearer": []}]
    assert {} in found["GET /things"]["security"]
    assert "401" in found["GET /things"]["responses"]
    assert [str(error) for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_without_a_verifier_no_credential_is_asked_for() -> None:
    """The example shop lets everybody in."""
    document = openapi(shop)
    assert "securitySchemes" not in document["components"]
    assert document["security"] == []
    assert all("security" not in one for one in operations(document).values())
    assert "401" not in operations(document)["POST /orders"]["responses"]


def test_the_version_changes_with_what_is_described() -> None:
    """And with nothing else."""
    assert openapi(shop)["info"]["version"] == openapi(shop)["info"]["version"]
    assert openapi(shop)["info"]["version"] != openapi(shop, settings=Settings(page_limit=7))["info"]["version"]


@pytest.mark.parametrize("side", SIDES)
async def test_each_service_serves_its_own_description(side: Side) -> None:
    """The same that `openapi` gives; the store need not be there, and a client that has it is not sent it again."""
    service = service_of(shop, "sqlite:////nowhere/at/all.db", side, Gate(shop, Settings()), views=False)
    answer = await ask(service, "GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json == msgspec.json.decode(msgspec.json.encode(openapi(shop, side)))
    again = await ask(service, "GET", "/openapi.json", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


async def test_a_mounted_service_says_where_it_is() -> None:
    """The paths are below the place where it is mounted."""
    service = command_service(shop, "memory://")
    answer = await ask(service, "GET", "/api/openapi.json", root_path="/api")
    assert answer.json["servers"] == [{"url": "/api"}]
    assert (await ask(service, "GET", "/openapi.json")).json["servers"] == [{"url": "/"}]


async def test_the_description_is_for_those_who_may_ask() -> None:
    """Where a credential is asked for, it is shown to those who have one; or to this machine, or to all, if so set."""
    keys = ApiKeys([ANNA_KEY])
    away: dict[str, Any] = {"client": ("203.0.113.7", 1)}
    service = command_service(shop, "memory://", settings=Settings(verifier=keys))
    for path in ("/openapi.json", "/docs"):
        assert (await ask(service, "GET", path, **away)).status == 401
        assert (await ask(service, "GET", path, headers={"X-API-Key": ANNA}, **away)).status == 200
        assert (await ask(service, "GET", path)).status == 401
    local = command_service(shop, "memory://", settings=Settings(verifier=keys, local_operators=True))
    assert (await ask(local, "GET", "/openapi.json", **away)).status == 401
    assert (await ask(local, "GET", "/openapi.json")).status == 200
    public = command_service(shop, "memory://", settings=Settings(verifier=keys, public_description=True))
    assert (await ask(public, "GET", "/openapi.json", **away)).status == 200


async def test_an_app_may_have_these_paths_for_itself() -> None:
    """Its own routes go before the description."""
    library = App("library")

    class Written(Event):
        doc: Id

    @library.view("GET /docs/{doc}", "GET /docs")
    class Doc(View):
        doc: Id

        @on
        def written(self, event: Written) -> None: ...

    async with library.open("memory://") as opened, query_service(library, opened) as service:
        assert (await ask(service, "GET", "/docs")).json == []
        assert (await ask(service, "GET", "/openapi.json")).status == 200


def test_the_package_has_what_most_want() -> None:
    """The two services, both as one, and their description are one import away."""
    assert services.__all__ == ["command_service", "joined_service", "openapi", "query_service"]
    assert (services.command_service, services.openapi, services.query_service) == (
        command_service,
        openapi,
        query_service,
    )
