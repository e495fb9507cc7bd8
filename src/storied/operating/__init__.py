"""Operating a store: verify it, copy it, carry it elsewhere, and check that today's code reads all of it."""
