"""Serving over sockets: uvicorn in one process or several, from the first connection to the last."""
