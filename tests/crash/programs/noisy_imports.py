"""Modules that print when they are imported: once, by the program, and not again by a process that goes on."""

import contextlib
import io

from points import point

point()
import this
point()
with contextlib.redirect_stdout(io.StringIO()) as said:
    import __hello__
    __hello__.main()
    point()
print(said.getvalue(), this.s[:5])
