"""Faults on purpose, and what was lost by them: nothing, or it is a bug."""
