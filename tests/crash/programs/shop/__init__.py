"""A package run with -m: relative imports, a subpackage, state in several modules, a circular import."""

from . import stock
from .orders import Order

VERSION = "1.2"
events = []
__all__ = ["Order", "events", "stock"]
