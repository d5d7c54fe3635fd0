"""Plain module-level settings that the program changes."""

WIDTH = 3
