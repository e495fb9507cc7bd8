"""The command service and the query service: two ASGI applications, generated from the definitions of an `App`."""
