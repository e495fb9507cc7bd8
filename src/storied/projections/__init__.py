"""The query side: views kept up to date from the log, asked now or as of any moment of the past."""
