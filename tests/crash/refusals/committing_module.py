"""Commits while it is being imported."""

import __main__

value = __main__.commit(1)
