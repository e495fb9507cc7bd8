"""The command service and the query service: two ASGI applications, generated from the definitions of an `App`."""

from storied.services.commands import command_service
from storied.services.openapi import openapi
from storied.services.queries import query_service

__all__ = ["command_service", "openapi", "query_service"]
