"""The definitions a user writes (events, entities, commands, views) and what storied reads from them. Pure: no I/O."""
