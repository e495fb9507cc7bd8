"""The command line: one module a verb. Prints, reads the environment, and turns errors into exit codes."""
