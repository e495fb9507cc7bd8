"""Measurements of the hot paths, each beside the same work done bare, in the same run."""
