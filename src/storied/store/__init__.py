"""The event store's port: records, queries, append conditions, codec, and the laws that every engine keeps. No I/O."""
