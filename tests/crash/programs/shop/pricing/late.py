"""Imported only at the end, after every commit point of the program."""

from . import rates
from .. import stock


def summary():
    return sorted(rates.table.items()), sorted(stock.levels.items())
