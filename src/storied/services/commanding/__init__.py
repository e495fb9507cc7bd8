"""From a request to a command, and from what it changed to an answer."""
