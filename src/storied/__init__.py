"""storied: event sourcing and CQRS for Python. Write events, entities, commands and views; every change is kept."""

from storied.app import App
from storied.commands.recording import Fact
from storied.domain.access import EVERYONE, OPERATIONS, Principal
from storied.domain.commands import Command, Context
from storied.domain.dispatch import on
from storied.domain.entities import Entity
from storied.domain.events import Event, upcast
from storied.domain.tags import Id, Tag
from storied.domain.times import Occurred
from storied.domain.views import Delete, View
from storied.errors import (
    AppendIdReused,
    Conflict,
    DecodeError,
    DefinitionError,
    InvalidCommand,
    InvalidEvent,
    InvalidInput,
    InvalidQuery,
    NotCaughtUp,
    NotIndexed,
    Rejected,
    StoreError,
    StoreUnavailable,
    StoriedError,
    UnknownOutcome,
    ViewFailed,
)
from storied.opened import OpenApp
from storied.projections.asking import Found, Range
from storied.projections.reader import Reader
from storied.store.query import AppendCondition, Query, QueryItem
from storied.store.records import Receipt, Recorded

__all__ = [
    "EVERYONE",
    "OPERATIONS",
    "App",
    "AppendCondition",
    "AppendIdReused",
    "Command",
    "Conflict",
    "Context",
    "DecodeError",
    "DefinitionError",
    "Delete",
    "Entity",
    "Event",
    "Fact",
    "Found",
    "Id",
    "InvalidCommand",
    "InvalidEvent",
    "InvalidInput",
    "InvalidQuery",
    "NotCaughtUp",
    "NotIndexed",
    "Occurred",
    "OpenApp",
    "Principal",
    "Query",
    "QueryItem",
    "Range",
    "Reader",
    "Receipt",
    "Recorded",
    "Rejected",
    "StoreError",
    "StoreUnavailable",
    "StoriedError",
    "Tag",
    "UnknownOutcome",
    "View",
    "ViewFailed",
    "on",
    "upcast",
]
