"""Examples that ship with storied, to run, to read and to copy."""
