"""What looks like a secret by its name: such variables are never saved, such arguments never shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_SECRET: Final = re.compile(
    r"secret|token|passw|passphrase|pwd.|credential|cookie|private|signature|api_?key|access_?key|auth|"
    r"(^|_)(key|pass|pat|dsn|jwt)($|_)|database_url|connection_string",
    re.IGNORECASE,
)
HIDDEN: Final = "***"


def is_secret(name: str) -> bool:
    """Whether what is called so may be a secret. Doubt is a secret."""
    return _SECRET.search(name.strip("-").replace("-", "_")) is not None


def redacted(arguments: Iterable[str]) -> list[str]:
    """A command line as `log` and `show` may print it: `--api-key=***`, `--password ***`. Numbers are no secrets."""
    shown: list[str] = []
    secret_follows = False
    for argument in arguments:
        name, equals, value = argument.partition("=")
        option = name.startswith("-") and is_secret(name)
        if secret_follows and not argument.startswith("-"):
            shown.append(_hidden(argument))
        else:
            shown.append(f"{name}={_hidden(value)}" if option and equals else argument)
        secret_follows = option and not equals
    return shown


def _hidden(value: str) -> str:
    return value if value.replace(".", "", 1).isdigit() else HIDDEN
