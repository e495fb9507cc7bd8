"""Spans: what OpenTelemetry is told of a request, by a tracer that notes it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, TraceFlags

from storied import App, Command, Event, Id
from storied.services.commands import command_service
from storied.services.settings import Settings
from tests.services.asgi import ask

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
OWN = 0x1122334455667788


class Noted(Event):
    note: Id


class Note(Command):
    note: Id


class Span:
    """Notes what it is told."""

    def __init__(self, name: str, parent: SpanContext | None, kind: SpanKind) -> None:
        self.name, self.parent, self.kind = name, parent, kind
        self.attributes: dict[str, Any] = {}
        self.status: Any = None
        self.errors: list[BaseException] = []
        self.ended = False

    def get_span_context(self) -> SpanContext:
        """A span of the client's trace."""
        trace_id = self.parent.trace_id if self.parent is not None else int(TRACE, 16)
        return SpanContext(trace_id, OWN, is_remote=False, trace_flags=TraceFlags(1))

    def update_name(self, name: str) -> None:
        """Another name."""
        self.name = name

    def set_attributes(self, attributes: dict[str, Any]) -> None:
        """More of them."""
        self.attributes |= attributes

    def set_status(self, status: Any) -> None:
        """How it went."""
        self.status = status

    def record_exception(self, error: BaseException) -> None:
        """What went wrong."""
        self.errors.append(error)

    def end(self) -> None:
        """It is over."""
        self.ended = True


class Tracer:
    """Makes spans, and keeps them."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def start_span(self, name: str, context: Any = None, kind: SpanKind = SpanKind.INTERNAL) -> Span:
        """One more."""
        parent = trace.get_current_span(context).get_span_context() if context is not None else None
        self.spans.append(Span(name, parent, kind))
        return self.spans[-1]


def make_app() -> App:
    """An app whose one handler fails for one note."""
    app = App("notes")

    @app.command("POST /notes/{note}")
    def note(command: Note) -> Noted:
        if command.note == "bug":
            raise ZeroDivisionError
        return Noted(note=command.note)

    return app


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> Tracer:
    """The tracer that the services get."""
    noting = Tracer()
    monkeypatch.setattr(trace, "get_tracer", lambda name: noting)
    return noting


async def test_a_request_is_a_span_of_the_client_s_trace(tracer: Tracer) -> None:
    """Named by its route, with its status, and the events point at it."""
    async with command_service(make_app(), "memory://", settings=Settings(tracing=True)) as service:
        headers = {"Content-Type": "application/json", "traceparent": f"00-{TRACE}-{SPAN}-01"}
        await ask(service, "POST", "/notes/n-1", b"{}", headers)
        [record] = await service.opening.value.store.read().list()
    [span] = tracer.spans
    assert (span.name, span.kind, span.ended) == ("POST /notes/{note}", SpanKind.SERVER, True)
    assert span.parent is not None
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["http.route"] == "/notes/{note}"
    assert span.attributes["storied.request_id"] == record.metadata.correlation
    assert record.metadata.headers["traceparent"] == f"00-{TRACE}-{OWN:016x}-01"


async def test_a_failure_of_the_server_is_told_and_one_of_the_client_is_not(tracer: Tracer) -> None:
    """With what was raised."""
    async with command_service(make_app(), "memory://", settings=Settings(tracing=True)) as service:
        answer = await ask(service, "POST", "/notes/bug", b"{}", {"Content-Type": "application/json"})
        assert json.loads(answer.body)["status"] == 500
        await ask(service, "POST", "/notes/n-1", b"[]", {"Content-Type": "application/json"})
        await ask(service, "GET", "/nowhere")
    failed, refused, lost = tracer.spans
    assert failed.status.status_code is StatusCode.ERROR
    assert [type(error) for error in failed.errors] == [ZeroDivisionError]
    assert (refused.status, refused.errors, refused.attributes["http.response.status_code"]) == (None, [], 400)
    assert (lost.name, lost.parent, lost.ended) == ("GET", None, True)


@pytest.mark.parametrize("tracing", [True, False])
async def test_events_have_a_span_of_our_own_where_nobody_records_it(tracing: bool) -> None:
    """In the client's trace: with the extra alone, and without it, they do not point at the client's span."""
    async with command_service(make_app(), "memory://", settings=Settings(tracing=tracing)) as service:
        headers = {"Content-Type": "application/json", "traceparent": f"00-{TRACE}-{SPAN}-01"}
        await ask(service, "POST", "/notes/n-1", b"{}", headers)
        [record] = await service.opening.value.store.read().list()
    _, trace_id, span_id, flags = record.metadata.headers["traceparent"].split("-")
    assert (trace_id, flags) == (TRACE, "01")
    assert span_id != SPAN
