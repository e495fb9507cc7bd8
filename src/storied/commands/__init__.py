"""The command side: load, decide, append, and decide again when somebody was quicker."""
