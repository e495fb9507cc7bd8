"""Request ids, traces, metrics and logs: an event leads back to the request that made it, and a request is counted."""

import json
import logging
import re

import pytest

from storied import DefinitionError
from storied.services.commands import CommandService, command_service
from storied.services.settings import Settings
from storied.services.telemetry import tracing
from storied.services.telemetry.metrics import Counter, Gauge, Histogram, exposition
from storied.services.telemetry.tracing import TraceContext, parse_traceparent
from tests.services.asgi import Sent, ask
from tests.services.ledger import ledger

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


async def opened(service: CommandService, **headers: str) -> Sent:
    """The answer to opening an account."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    body = json.dumps({"account": "a", "owner": "anna"}).encode()
    return await ask(service, "POST", "/accounts", body, {"Content-Type": "application/json"} | given)


async def test_a_request_keeps_the_id_that_its_client_gave_it() -> None:
    """It comes back, and is the correlation of the events."""
    async with command_service(ledger, "memory://") as service:
        answer = await opened(service, X_Request_Id="ticket-7:a/b")
        [record] = await service.opening.value.store.read().list()
    assert answer.headers["x-request-id"] == record.metadata.correlation == "ticket-7:a/b"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, "<script>", 'a"b', "a\tb", "\xe9"])
async def test_an_id_that_could_do_harm_in_a_log_is_replaced(given: str) -> None:
    """By one of our own."""
    async with command_service(ledger, "memory://") as service:
        answer = await opened(service, X_Request_Id=given)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", answer.headers["x-request-id"])


async def test_a_trace_goes_on_in_the_events() -> None:
    """In the same trace, as a span of our own below the client's."""
    async with command_service(ledger, "memory://") as service:
        await opened(service, traceparent=f"00-{TRACE}-{SPAN}-01")
        [record] = await service.opening.value.store.read().list()
    found = parse_traceparent(record.metadata.headers["traceparent"])
    assert found is not None
    assert (found.trace, found.flags) == (TRACE, "01")
    assert found.span != SPAN


async def test_a_malformed_trace_begins_a_new_one() -> None:
    """As the standard says; the request itself is fine."""
    async with command_service(ledger, "memory://") as service:
        assert (await opened(service, traceparent="00-nonsense")).status == 201
        [record] = await service.opening.value.store.read().list()
    found = parse_traceparent(record.metadata.headers["traceparent"])
    assert found is not None
    assert found.flags == "00"


@pytest.mark.parametrize(
    ("text", "context"),
    [
        (f"00-{TRACE}-{SPAN}-01", TraceContext(TRACE, SPAN, "01")),
        (f"00-{TRACE}-{SPAN}-fe", TraceContext(TRACE, SPAN, "00")),
        (f"cc-{TRACE}-{SPAN}-01-what-comes", TraceContext(TRACE, SPAN, "01")),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        (f"00-{TRACE}-{SPAN}-01\n", None),
        ("", None),
    ],
)
def test_a_traceparent_is_read_strictly(text: str, context: TraceContext | None) -> None:
    """Version 00 has exactly four parts; later ones may have more."""
    assert parse_traceparent(text) == context


async def test_spans_follow_the_client_s_trace() -> None:
    """Where OpenTelemetry is not set up they record nothing, and the trace goes on all the same."""
    async with command_service(ledger, "memory://", settings=Settings(tracing=True)) as service:
        await opened(service, traceparent=f"00-{TRACE}-{SPAN}-01")
        await ask(service, "GET", "/livez")
        [record] = await service.opening.value.store.read().list()
    assert record.metadata.headers["traceparent"].startswith(f"00-{TRACE}-")


def test_tracing_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is optional, and asking for it without having it is an error at the start."""
    monkeypatch.setattr(tracing, "HAS_OPENTELEMETRY", False)
    with pytest.raises(DefinitionError, match=r"storied\[opentelemetry\]"):
        command_service(ledger, "memory://", settings=Settings(tracing=True))


async def test_requests_are_counted_by_route_and_status() -> None:
    """By the template, so that ids make no new series; what is unknown has no route."""
    async with command_service(ledger, "memory://") as service:
        await opened(service)
        for account in ("b", "c"):
            await ask(service, "POST", f"/accounts/{account}/payments", b"{}", {"Content-Type": "application/json"})
        await ask(service, "GET", "/nowhere")
        await ask(service, "BREW", "/nowhere")
        text = (await ask(service, "GET", "/metrics")).body.decode()
    assert 'storied_http_requests_total{method="POST",route="/accounts",status="201"} 1' in text
    assert 'storied_http_requests_total{method="POST",route="/accounts/{account}/payments",status="400"} 2' in text
    assert 'storied_http_requests_total{method="GET",route="",status="404"} 1' in text
    assert 'storied_http_requests_total{method="other",route="",status="404"} 1' in text
    assert 'storied_http_request_seconds_count{method="POST",route="/accounts"} 1' in text
    assert "storied_http_requests_in_flight 1" in text
    assert "storied_events_stored_total 1" in text
    assert "storied_log_position 1" in text
    assert "storied_ready 1" in text


def test_prometheus_reads_the_metrics() -> None:
    """Help, type, labels with what needs it escaped, and buckets that add up."""
    counter, gauge = Counter("a_total", "As.", ["x"]), Gauge("b", "Bs.")
    counter.add(('q"\\\n',), 2)
    gauge.set(1.5)
    histogram = Histogram("c", "Cs.", ["x"], edges=(1, 2.5))
    for value in (0.5, 1, 2, 9):
        histogram.observe(value, ("y",))
    assert exposition([counter, gauge, histogram]).decode() == (
        "# HELP a_total As.\n# TYPE a_total counter\n"
        'a_total{x="q\\"\\\\\\n"} 2\n'
        "# HELP b Bs.\n# TYPE b gauge\nb 1.5\n"
        "# HELP c Cs.\n# TYPE c histogram\n"
        'c_bucket{x="y",le="1"} 2\nc_bucket{x="y",le="2.5"} 3\nc_bucket{x="y",le="+Inf"} 4\n'
        'c_sum{x="y"} 12.5\nc_count{x="y"} 4\n'
    )


async def test_the_access_log_is_json_without_the_query(caplog: pytest.LogCaptureFixture) -> None:
    """One line for each request; what a client sends cannot break it."""
    caplog.set_level(logging.INFO, "storied.access")
    async with command_service(ledger, "memory://", settings=Settings(access_log=True)) as service:
        await opened(service, X_Request_Id="r-1")
        await ask(service, "GET", '/no%0Awhere"?secret=1')
    first, second = (json.loads(record.message) for record in caplog.records if record.name == "storied.access")
    assert first["request_id"] == "r-1"
    assert (first["method"], first["route"], first["status"]) == ("POST", "/accounts", 201)
    assert first["ms"] >= 0
    assert (second["path"], second["status"], second["error"]) == ('/no\nwhere"', 404, "RequestRefused")
    assert "secret" not in caplog.text


async def test_without_the_setting_nothing_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever mounts a service has a log of their own."""
    caplog.set_level(logging.INFO)
    async with command_service(ledger, "memory://") as service:
        await opened(service)
    assert not [record for record in caplog.records if record.name == "storied.access"]
