"""What a program tells the standard library through its functions holds after a restore, too."""

import calendar
import codecs
import collections.abc
import csv
import decimal
import importlib.abc
import importlib.machinery
import io
import mimetypes
import multiprocessing
import numbers
import shutil
import socket
import sys
import threading
import xml.etree.ElementTree as ET

from points import point


class Pair:
    def __init__(self, a, b):
        self.items = a, b


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name == "out_of_thin_air" else None

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        module.value = 42


def pack(base, folder, **options):
    return base + ".packed"


csv.register_dialect("pipes", delimiter="|", quoting=csv.QUOTE_ALL, lineterminator="\n")
csv.field_size_limit(10)
mimetypes.add_type("application/x-point", ".point")
codecs.register(lambda name: codecs.lookup("utf-8") if name == "points" else None)
codecs.register_error("shrug", lambda error: ("(shrug)", error.end))
ET.register_namespace("zz", "http://example.org/zz")
calendar.setfirstweekday(calendar.SUNDAY)
socket.setdefaulttimeout(7.5)
threading.stack_size(1 << 20)
multiprocessing.set_start_method("spawn")
collections.abc.Sized.register(Pair)
numbers.Number.register(Pair)
shutil.register_archive_format("packed", pack)
decimal.DefaultContext.prec = 9
sys.meta_path.insert(0, Finder())
point()
out = io.StringIO()
csv.writer(out, "pipes").writerow([1, "two"])
print(out.getvalue().strip(), csv.field_size_limit(), mimetypes.guess_type("a.point"))
print("é".encode("points"), "é".encode("ascii", "shrug"))
print(ET.tostring(ET.fromstring("<a xmlns='http://example.org/zz'/>")))
print(calendar.TextCalendar(calendar.firstweekday()).formatweekheader(2), socket.getdefaulttimeout())
print(threading.stack_size(), multiprocessing.get_start_method(), decimal.Context().prec)
print(isinstance(Pair(1, 2), collections.abc.Sized), issubclass(Pair, numbers.Number), issubclass(int, collections.abc.Sized))
print(shutil.make_archive("a", "packed", "."))
import out_of_thin_air  # noqa: E402

print(out_of_thin_air.value)
