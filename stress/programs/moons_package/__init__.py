"""A small project of its own, run as `python -m moons_package`."""

__version__ = "0.3"
