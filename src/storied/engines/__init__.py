"""The engines: memory (the specification you can run) and SQLite. Each keeps the log and the documents."""
