"""Modules and early state of a restored process: what must be there before the first object is rebuilt."""

from __future__ import annotations
