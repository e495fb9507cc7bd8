"""Operations: each route of the services as an OpenAPI operation, by what it is about. Pure.

A route's subject says what it is: a command class, a view class, a query function, or nothing for what operators ask.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any

import msgspec

from storied.app import App
from storied.domain.access import HistoryOf
from storied.domain.commands import Command, CommandHandler
from storied.domain.views import View, view_spec
from storied.projections.projector import Projector
from storied.services.commanding.binding import header_of
from storied.services.commanding.changes import Changed
from storied.services.commanding.members import key_of_member, keys_in_paths
from storied.services.commanding.naming import entities_of, names_of_field
from storied.services.describing import parameters
from storied.services.describing.answers import (
    HEADERS,
    OPEN,
    OPERATIONS,
    PROBLEM_SCHEMA,
    REJECTED,
    header,
    problem_responses,
)
from storied.services.describing.examples import NONE, Examples
from storied.services.describing.parameters import Parameter
from storied.services.describing.schemas import PREFIX, Schema, Schemas, as_name, describable, free_name
from storied.services.describing.security import Security
from storied.services.health import Ready
from storied.services.querying.trails import Entry
from storied.services.settings import Settings
from storied.services.web.problems import MEDIA_TYPE
from storied.services.web.routing import Route

Operation = dict[str, Any]
JSON = "application/json"
EVENTS = "text/event-stream"
STREAM = "Sends what is true now, and then each change, as the events `{}`, `gone` and `status`; see the guide."
ASSETS = "/docs/"
"""Below it are the parts of a page, which nobody asks for by themselves."""


class Operations:
    """Describes the routes of an app's services, and collects the components that they refer to."""

    def __init__(self, app: App, routes: Iterable[Route], settings: Settings, security: Security) -> None:
        self.app, self.settings, self.security = app, settings, security
        self.routes = [route for route in routes if not route.template.path.startswith(ASSETS)]
        subjects = dict.fromkeys(route.subject for route in self.routes)
        commands = [one for one in subjects if isinstance(one, type) and issubclass(one, Command)]
        views = [one for one in subjects if isinstance(one, type) and issubclass(one, View)]
        asked = [query for query in app.queries.values() if query.function in subjects]
        self._returns = {query.function: describable(query.returns) for query in asked}
        received: list[Any] = [Ready, *views, *self._returns.values()]
        received += [Entry] if views else []
        received += [Changed] if commands else []
        self._schemas = Schemas(commands, received)
        self._examples = Examples(self._schemas.components)
        self._bodies = {one: self._schemas.sent(one)["$ref"].removeprefix(PREFIX) for one in commands}
        bodies = set(self._bodies.values())
        self.components = {name: one for name, one in self._schemas.components.items() if name not in bodies}
        self._taken = frozenset(self._schemas.components)
        self._problem = self._named("Problem", PROBLEM_SCHEMA)
        self.responses: dict[str, Any] = {}
        self._ids: set[str] = set()
        self._keys = keys_in_paths(app)

    def of(self, route: Route) -> Operation:
        """The operation of a route."""
        subject = route.subject
        if isinstance(subject, type) and issubclass(subject, Command):
            return self._command(route, subject)
        if isinstance(subject, HistoryOf):
            return self._history(route, subject.view)
        if isinstance(subject, type) and issubclass(subject, View):
            is_of_one = view_spec(subject).key in route.template.parameters
            return self._document(route, subject) if is_of_one else self._list(route, subject)
        return self._open(route) if subject is None else self._query(route, subject)

    def _command(self, route: Route, command: type[Command]) -> Operation:
        body, given = self._command_parts(route, command)
        kept = [parameters.header(name, "Kept with the events.") for name in sorted(self.settings.kept_headers)]
        handler = self.app.handlers[command]
        docs = [handler.function.__doc__, command.__doc__]
        rests = any(one.kind in ("entity", "entities") for one in handler.parameters)
        of_all = parameters.shared(*(one for one in parameters.COMMAND if rests or one != "If-Match"))
        given = parameters.distinct([*given, *of_all, *kept])
        operation = self._operation(route, "Command", lower_first(command.__name__), docs, given, handler)
        if body["properties"]:
            schema = {"$ref": PREFIX + self._bodies[command]}
            if self.components.setdefault(self._bodies[command], body) != body:
                schema = body  # its routes have different parameters, and so different bodies
            operation["requestBody"] = {"required": "required" in body} | self._content(schema, "body", body)
        headers = header("ETag", "Preference-Applied")
        headers["Storied-Position"] = {**HEADERS["Storied-Position"], "required": True}
        if self.settings.position_cookie:
            headers |= header("Set-Cookie")
        content = self._content(self._schemas.received(Changed), "changed")
        answered = {"200": {"description": "It is done, or there was nothing to change.", "headers": headers} | content}
        if key_of_member(self.app, route.template) is not None:
            headers = headers | header("Location")
            answered["201"] = {"description": "It is created.", "headers": headers} | content
        return with_answers(operation, answered)

    def _command_parts(self, route: Route, command: type[Command]) -> tuple[Schema, list[Parameter]]:
        """The schema of a command's body, and the parameters, in the path and in headers, that are its other fields."""
        members = self._schemas.members(command)
        body: Schema = {**members, "properties": dict(members.get("properties", {}))}
        given: list[Parameter] = []
        tags = entities_of(self.app.handlers[command])
        for field in msgspec.structs.fields(command):
            naming = names_of_field(field, route.template.parameters, tags, self._keys)
            body["properties"][field.encode_name] = as_name(body["properties"][field.encode_name], naming)
            names = [name for name in (field.name, field.encode_name) if name in route.template.parameters]
            asked = header_of(field.type)
            if names or asked is not None:
                schema = body["properties"].pop(field.encode_name)
            if names:
                given.append(parameters.in_path_of_command(names[0], schema, field.type))
            elif asked is not None:
                about = schema.get("description", "")
                given.append(parameters.header(asked, about, required=field.required))
        required = [name for name in body.pop("required", ()) if name in body["properties"]]
        return body | ({"required": required} if required else {}), given

    def _document(self, route: Route, view: type[View]) -> Operation:
        given = [*self._in_path(route, view), *parameters.shared("AtOrLive", "Last-Event-ID", *parameters.READ)]
        docs = [view.__doc__ or f"Shows one {view.__name__}."]
        operation = self._operation(route, "Document", f"get{view.__name__}", docs, given)
        schema = self._schemas.received(view)
        return with_answers(operation, self._read("The document.", schema, "Storied-Parked", live="document"))

    def _list(self, route: Route, view: type[View]) -> Operation:
        projector, inside = Projector(view_spec(view)), route.template.parameters
        filters = parameters.of_list(projector, self.settings.page_limit, inside)
        shared = parameters.shared("Cursor", "AtOrLive", "Last-Event-ID", *parameters.READ)
        docs = [f"Lists {view.__name__} documents.", view.__doc__]
        given = [*self._in_path(route, view), *filters, *shared]
        operation = self._operation(route, "List", f"list{view.__name__}", docs, given)
        dependencies = parameters.dependencies_of_list(projector, inside)
        if dependencies:
            operation["x-dependencies"] = dependencies
        schema = {"type": "array", "items": self._schemas.received(view)}
        return with_answers(
            operation, self._read("The documents.", schema, "Link", "Storied-Parked", live="list`, `document`, `order")
        )

    def _history(self, route: Route, view: type[View]) -> Operation:
        docs = [f"Tells the history of one {view.__name__}: what changed, when, by whom, and why."]
        shared = parameters.shared("CursorOfHistory", "At", *(one for one in parameters.READ if one != "PreferWait"))
        given = [*self._in_path(route, view), parameters.limit(self.settings.page_limit), *shared]
        operation = self._operation(route, "History", f"historyOf{view.__name__}", docs, given)
        schema = {"type": "array", "items": self._schemas.received(Entry)}
        return with_answers(operation, self._read("The history, the first event first.", schema, "Link"))

    def _in_path(self, route: Route, view: type[View]) -> list[Parameter]:
        spec = view_spec(view)
        given = parameters.in_path(route.template.parameters, spec.hints())
        for one in given:
            if one["name"] == spec.key:
                one["schema"] = {"type": "string", "minLength": 1, "examples": [f"{spec.key.replace('_', '-')}-1"]}
        return given

    def _query(self, route: Route, subject: Any) -> Operation:
        query, inside = self.app.queries[subject], route.template.parameters
        given = parameters.in_path_of_query(query, inside)
        given += [*parameters.of_query(query, inside), *parameters.shared(*parameters.READ)]
        operation = self._operation(route, "Query", subject.__name__, [subject.__doc__], given)
        schema = self._schemas.received(self._returns[subject])
        return with_answers(operation, self._read("The answer.", schema, "Storied-Parked"))

    def _open(self, route: Route) -> Operation:
        """What operators ask, and what describes the service."""
        name, summary, answered = OPEN[route.template.path]
        operation = self._operation(route, "Open", name, [summary], parameters.shared("X-Request-Id"))
        if name == "readyz":
            content = self._content(self._schemas.received(Ready), "ready")
            answered = {status: {**answer, **content} for status, answer in answered.items()}
        return with_answers(operation, answered)

    def _operation(
        self,
        route: Route,
        kind: str,
        name: str,
        docs: Iterable[str | None],
        given: list[Parameter],
        handler: CommandHandler | None = None,
    ) -> Operation:
        """An operation with the answers that every request of its kind may get."""
        texts = [inspect.cleandoc(text).strip() for text in docs if text and text.strip()]
        summary, _, rest = (texts[0] if texts else sentence(name)).partition("\n\n")
        operation: Operation = {
            "operationId": self._id(name, route),
            "summary": " ".join(summary.split()),
            "tags": [tag_of(route)],
            "parameters": [self._with_example(one) for one in given],
            "responses": {},
        }
        description = "\n\n".join(part for part in (rest.strip(), *texts[1:]) if part)
        if description:
            operation["description"] = description
        query = self.app.queries.get(route.subject)  # type: ignore[arg-type]  # any subject may be looked for
        known = query is not None and not query.takes_unknown
        if self.security.schemes:
            operation["security"] = self.security.of(route, known=known)
        limited = self.settings.rate > 0 and not route.open
        secured = self.security.asks or known or route.template.path == "/metrics"  # for operators, whoever asks
        rejects = None if handler is None else handler.rejects
        for status, response in problem_responses(kind, secured=secured, limited=limited, rejects=rejects).items():
            own = handler.command.__name__ if handler and rejects is not None and status == REJECTED else ""
            operation["responses"][status] = self._refused(own or kind, status, response)
        return operation

    def _refused(self, about: str, status: str, response: Schema) -> Schema:
        """A reference to the response with problems, and in it one to its schema; itself where its name is taken."""
        content = response["content"][MEDIA_TYPE]
        content["schema"] = self._named(f"{about}Problem{status}", {"allOf": [self._problem, content["schema"]]})
        kept = self.responses.setdefault(f"{about}{status}", response)
        return {"$ref": f"#/components/responses/{about}{status}"} if kept == response else response

    def _named(self, name: str, schema: Schema) -> Schema:
        """A reference to the schema under this name, or a longer one where the app has it; itself if it is another."""
        name = free_name(name, self._taken)
        kept = self.components.setdefault(name, schema)
        return {"$ref": PREFIX + name} if kept == schema else schema

    def _id(self, name: str, route: Route) -> str:
        """The name, made longer by the route where another operation has it: a client's code is named after it."""
        parts = [part for part in re.split(r"\W+", route.template.text.lower()) if part]
        longer = name + "Via" + "".join(part.capitalize() for part in parts)
        found = longer if name in self._ids else name
        self._ids.add(found)
        return found

    def _with_example(self, one: Parameter) -> Parameter:
        if not one.get("required"):
            return one
        example = self._examples.of(one["schema"], one["name"])
        return one if example is NONE else {**one, "example": example}

    def _read(self, description: str, schema: Schema, *more: str, live: str = "") -> dict[str, Any]:
        headers = header("ETag", "Storied-Position", *more)
        answer = {"description": description, "headers": headers} | self._content(schema, "text")
        if live:
            told = {"schema": {"type": "string", "description": STREAM.format(live)}}
            answer["content"][EVENTS] = told | {"example": "event: gone\nid: 17\ndata: {}\n\n"}
        return {"200": answer, "304": {"description": "The client has these bytes already.", "headers": headers}}

    def _content(self, schema: Schema, name: str, shown: Schema | None = None) -> dict[str, Any]:
        """The content of a body or a response, with an example where one can be found."""
        example = self._examples.of(shown or schema, name)
        return {"content": {JSON: {"schema": schema} | ({} if example is NONE else {"example": example})}}


def with_answers(operation: Operation, answered: dict[str, Any]) -> Operation:
    """The operation with these answers, too, each of which names the request."""
    named = {
        status: {**answer, "headers": {**answer.get("headers", {}), **header("X-Request-Id")}}
        for status, answer in answered.items()
    }
    operation["responses"] = dict(sorted({**operation["responses"], **named}.items()))
    return operation


def tag_of(route: Route) -> str:
    """What the operation is listed under: the first part of its path, or that it is for operators."""
    if route.subject is None:
        return OPERATIONS
    first = route.template.parts[0] if route.template.parts else ""
    return first.strip("{}") or "root"


def lower_first(name: str) -> str:
    """The name as a function would have it."""
    return name[:1].lower() + name[1:]


def sentence(name: str) -> str:
    """The words that the name is made of, for what has no docstring."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|_+", " ", name).strip().lower()
    return f"{words[:1].upper()}{words[1:]}."
