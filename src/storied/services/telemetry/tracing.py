"""Tracing: the W3C trace context of a request, continued or begun, and spans where OpenTelemetry is there.

Read and written as https://www.w3.org/TR/trace-context/ says.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Any

import msgspec

from storied.errors import DefinitionError

try:
    from opentelemetry import trace
    from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
except ImportError:  # the extra is not installed; who asks for spans is told so
    HAS_OPENTELEMETRY = False
else:
    HAS_OPENTELEMETRY = True

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)


class TraceContext(msgspec.Struct, frozen=True):
    """Where in which trace: the ids of the trace and of a span in it, in hexadecimal, and flags."""

    trace: str
    span: str
    flags: str = "00"

    def __str__(self) -> str:
        return f"00-{self.trace}-{self.span}-{self.flags}"

    def child(self) -> TraceContext:
        """A new span of the same trace."""
        return TraceContext(self.trace, secrets.token_hex(8), self.flags)


def new_trace() -> TraceContext:
    """A new trace, which nobody has asked to record."""
    return TraceContext(secrets.token_hex(16), secrets.token_hex(8))


def parse_traceparent(text: str) -> TraceContext | None:
    """The context that a ``traceparent`` header names; None when it is not well-formed, and a new trace begins."""
    found = _TRACEPARENT.fullmatch(text)
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    if found[2] == "0" * 32 or found[3] == "0" * 16:
        return None
    flags = "01" if int(found[4], 16) & 1 else "00"  # the one flag of version 00
    return TraceContext(found[2], found[3], flags)


class Spans:
    """The spans of a service's requests, as OpenTelemetry has been set up in this process."""

    def __init__(self) -> None:
        if not HAS_OPENTELEMETRY:
            raise DefinitionError("tracing needs OpenTelemetry. Install it with pip install 'storied[opentelemetry]'.")
        self._tracer = trace.get_tracer("storied.services")

    def start(self, method: str, parent: TraceContext | None) -> Any:
        """A span of a request, below the client's when it named one."""
        context = None
        if parent is not None:
            remote = SpanContext(
                int(parent.trace, 16), int(parent.span, 16), is_remote=True, trace_flags=TraceFlags(int(parent.flags))
            )
            context = trace.set_span_in_context(NonRecordingSpan(remote))
        return self._tracer.start_span(method, context, SpanKind.SERVER)

    def finish(self, span: Any, name: str, attributes: Mapping[str, str | int], error: BaseException | None) -> None:
        """Ends the span under the name of its route."""
        span.update_name(name)
        span.set_attributes(attributes)
        if int(attributes["http.response.status_code"]) >= 500:
            span.set_status(Status(StatusCode.ERROR))
            if error is not None:
                span.record_exception(error)
        span.end()


def are_recorded() -> bool:
    """Whether somebody has set OpenTelemetry up in this process, so that spans go anywhere."""
    return HAS_OPENTELEMETRY and not isinstance(
        trace.get_tracer_provider(), (trace.ProxyTracerProvider, trace.NoOpTracerProvider)
    )


def context_of(span: Any) -> TraceContext | None:
    """Where the span is; None when nobody has set OpenTelemetry up: then it is the client's, or none."""
    found = span.get_span_context()
    if not found.is_valid or found.is_remote:
        return None
    return TraceContext(f"{found.trace_id:032x}", f"{found.span_id:016x}", f"{found.trace_flags & 1:02x}")
