"""logging to stdout: handlers, formatters, filters, child loggers, levels, a handler added in mid-program."""

import logging
import sys

from points import point


class Only(logging.Filter):
    def __init__(self, word):
        super().__init__()
        self.word = word
        self.dropped = 0

    def filter(self, record):
        keep = self.word not in record.getMessage()
        self.dropped += not keep
        return keep


class Collect(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(self.format(record))


logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s:%(name)s:%(funcName)s:%(lineno)d:%(message)s")
log = logging.getLogger("app")
child = logging.getLogger("app.child")
collect, only = Collect(), Only("secret")
collect.setFormatter(logging.Formatter("[%(message)s]"))
log.addHandler(collect)
logging.getLogger().handlers[0].addFilter(only)


def work(n):
    log.info("working %d", n)
    point()
    child.warning("halfway %s", n)
    log.debug("never shown")
    log.error("a secret %d", n)


work(1)
child.setLevel(logging.DEBUG)
logging.addLevelName(25, "NOTICE")
work(2)
try:
    raise ValueError("logged")
except ValueError:
    point()
    log.log(25, "caught", exc_info=False)
    child.debug("debug now")
log.propagate = False
work(3)
print(collect.lines, only.dropped, logging.getLogger("app") is log, child.parent is log, child.getEffectiveLevel())
