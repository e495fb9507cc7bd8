"""The engine on one SQLite file: the log in one database file, the read models in another beside it."""
