"""`forkpoint key export|import FILE`: carry a store's key to another machine; `key rotate`: give it another one."""

from __future__ import annotations

from pathlib import Path

import click

from forkpoint.cli import options
from forkpoint.cli.outcome import Outcome
from forkpoint.errors import IntegrityError


@click.group("key")
@options.store_option
@click.pass_context
def key(context: click.Context, store: Path | None) -> None:
    """The store's key: whoever has it may restore, whoever has not is refused (exit 12)."""
    context.obj = store


@key.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@options.store_option
@click.pass_context
def export_key(context: click.Context, file: Path, store: Path | None) -> Outcome:
    """Write the key of the store to FILE (mode 0600), for `forkpoint key import` on another machine."""
    from forkpoint.cli import store as questions
    from forkpoint.journal import keys

    home = questions.home(store or context.obj)
    keys.export(home.key_id, str(file))
    return Outcome("key", {"key": home.key_id, "did": "exported", "file": str(file)})


@key.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@options.store_option
@click.pass_context
def import_key(context: click.Context, file: Path, store: Path | None) -> Outcome:
    """Take a key that `forkpoint key export` wrote into this user's keys; with --store, see that it is that store's."""
    from forkpoint.cli import store as questions
    from forkpoint.journal import keys

    name = keys.adopt(str(file))
    if store or context.obj:
        questions.home(store or context.obj)
    return Outcome("key", {"key": name, "did": "imported", "file": str(file)})


@key.command("rotate")
@click.option("--encrypt", is_flag=True, help="Encrypt a store that is not, too.")
@options.store_option
@click.pass_context
def rotate_key(context: click.Context, encrypt: bool, store: Path | None) -> Outcome:
    """Seal the store anew under a new key: with the old one nothing of it can be read or forged any more."""
    from forkpoint.cli import store as questions
    from forkpoint.journal import keys, rekey
    from forkpoint.journal import verify as invariants

    home = questions.home(store or context.obj)
    damages = invariants.verify(home).damages
    if damages:
        raise IntegrityError(f"a damaged store keeps its key: {damages[0]}", hint="`forkpoint verify` names all damage")
    done = rekey.rekey(home.path, home, encrypt=encrypt)
    return Outcome("key", {"key": done.home.key_id, "did": "rotated", "file": keys.location(done.home.key_id)})
