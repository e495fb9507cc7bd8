"""Tests of the code's shape: sizes, imports, names and the public face."""
