"""The program's own package."""
