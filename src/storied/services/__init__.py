"""The command service and the query service, apart or as one: ASGI applications, generated from an `App`."""

from storied.services.commands import command_service
from storied.services.openapi import openapi
from storied.services.queries import query_service
from storied.services.sides import joined_service

__all__ = ["command_service", "joined_service", "openapi", "query_service"]
