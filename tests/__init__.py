"""The tests of storied."""
