"""Context variables: values, tokens, a copied context, defaults; reset after the commit point. A library's too."""

import contextvars
import decimal
import pathlib
import sys

from points import point

level = contextvars.ContextVar("level", default="unset")
user = contextvars.ContextVar("user")
print(level.get(), user.get("nobody"))
outer = level.set("one")
user.set({"name": "ann"})
copied = contextvars.copy_context()


def work():
    inner = level.set("two")
    point()
    print(level.get(), user.get()["name"], copied[level], inner.old_value)
    user.get()["name"] = "bob"
    level.reset(inner)
    print(level.get(), copied[user])
    point()


work()
library = pathlib.Path("site-packages", "levels.py")
library.parent.mkdir()
library.write_text(
    "import contextvars\n"
    "class Holder:\n"
    "    def __init__(self):\n"
    "        self.var = contextvars.ContextVar('held')\n"
    "holder, depth = Holder(), contextvars.ContextVar('depth', default=0)\n"
)
sys.path.insert(0, str(library.parent.resolve()))
import levels  # noqa: E402

levels.depth.set(7)
held = levels.holder.var.set(["a"])
point()
levels.holder.var.get().append("b")
print(levels.depth.get(), levels.holder.var.get(), held.var is levels.holder.var)
levels.holder.var.reset(held)
print(levels.holder.var.get("unset"))
copied.run(level.set, "elsewhere")
print(level.get(), copied.run(level.get), len(copied), user in copied)
with decimal.localcontext() as local:
    local.prec = 6
    point()
    print(decimal.Decimal(1) / 7, decimal.getcontext().prec)
print(decimal.Decimal(1) / 7)
level.reset(outer)
point()
print(level.get(), level.name)
try:
    level.reset(outer)
except RuntimeError as error:
    print("token", "used" in str(error))
