"""Comes to a point before it is ready."""

from points import point

point()
ready = True
