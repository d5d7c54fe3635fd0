"""One verb per file; each returns a value that a reporter prints."""
