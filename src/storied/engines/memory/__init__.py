"""The engine that runs in this process's memory: the specification, and a fast place for tests."""
