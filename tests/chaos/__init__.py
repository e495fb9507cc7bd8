"""The campaigns of `./dev chaos` in small, and whether their checker notices what it is there for."""
