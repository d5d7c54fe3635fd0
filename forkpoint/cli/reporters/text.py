"""A verb's value as plain text for people; reads nothing but the value that `--json` would print."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TextIO

from forkpoint.cli.outcome import Outcome

Value = Mapping[str, Any]

ID_CHARACTERS: Final = 8
_NAMES_MAX: Final = 8


def write(outcome: Outcome, stream: TextIO) -> None:
    """Print the value of a verb. A name that the terminal cannot show is shown escaped."""
    stream.writelines(line + "\n" for line in lines(outcome, stream.encoding or "utf-8"))


def lines(outcome: Outcome, encoding: str) -> Iterator[str]:
    """The lines of the report, in characters that `encoding` has."""
    for line in _REPORTS[outcome.verb](outcome.value):
        yield line.rstrip().encode(encoding, "backslashreplace").decode(encoding)


def _log(value: Value) -> Iterator[str]:
    if not value["runs"]:
        yield "no runs yet"
    for number, run in enumerate(value["runs"]):
        if number:
            yield ""
        yield f"run {run['id'][:ID_CHARACTERS]}  {command_line(run)}"
        yield f"    {ending(run)}, begun {moment(run['created_at'])}, in {run['cwd']}"
        points = run["points"]
        rows = [
            (
                f"{run['id'][:ID_CHARACTERS]}@{point['seq']}",
                point["id"][:ID_CHARACTERS],
                moment(point["created_at"]),
                point["trigger"],
                size(point["bytes_new"]),
                f"{point['stop_ms']:.1f} ms",
                point["location"] + _marks(point),
            )
            for point in points
        ]
        yield from indented(table(("REF", "ID", "TAKEN", "WHY", "NEW", "STOPPED", "WHERE"), rows) if rows else ())
    for damage in value["damages"]:
        yield f"damaged: {damage['invariant']}: {damage['detail']}"


def _show(value: Value) -> Iterator[str]:
    yield f"restore point {value['id']}{_marks(value)}"
    yield f"    run         {value['run'][:ID_CHARACTERS]}@{value['seq']}  {command_line(value)}  ({value['state']})"
    yield f"    where       {value['location']}"
    yield f"    why         {value['trigger']}, {moment(value['created_at'])}"
    yield f"    size        {size(value['bytes_total'])}, of which {size(value['bytes_new'])} new"
    split = ", ".join(f"{name} {milliseconds:.2f}" for name, milliseconds in value["split_ms"].items())
    yield f"    stopped     {value['stop_ms']:.2f} ms ({split}); the commit took {value['commit_ms']:.0f} ms beside it"
    yield f"    stdout      {value['stdout_bytes']} bytes written by then"
    places = "; ".join(f"{item['location']}{_times(item['count'])}" for item in value["commits_at"])
    yield f"    commits     of this run happen at {places}; the newest was {age(value['newest_seconds_ago'])} ago"
    yield ""
    rows = [(item["name"], item["type"], item["summary"], size(item["bytes"])) for item in value["variables"]]
    yield "variables" if rows else "variables: none"
    yield from indented(table(("NAME", "TYPE", "VALUE", "SIZE"), rows) if rows else ())
    lost = [f"{item['path']} ({item['type']}): {item['reason']}" for item in value["tombstones"]]
    yield from _section("not captured", lost)
    yield from _section(
        "in the way of commits",
        [
            line
            for item in value["refusals"]
            for line in (
                f"{item['reason']}, at {item['location']}" + _times(item["count"]),
                f"    -> {value['advice'][item['reason']]}",
            )
        ],
    )
    yield from _section("files", [_file(item) for item in value["files"]])


def _verify(value: Value) -> Iterator[str]:
    for damage in value["damages"]:
        where = f" [packs/{damage['pack'][:2]}/{damage['pack']}]" if damage["pack"] else ""
        points = ", ".join(point[:ID_CHARACTERS] for point in damage["points"])
        hurt = f"; restore points {points}" if points else ""
        yield f"DAMAGED  {damage['invariant']}: {damage['detail']}{where}{hurt}{_of(damage['variables'])}"
    sound = sum(1 for point in value["points"] if point["sound"])
    how = "read byte for byte and loaded in a scratch process" if value["deep"] else "read byte for byte"
    yield f"{sound} of {len(value['points'])} restore points are sound"
    yield f"{value['packs']} packs, {size(value['bytes'])}, {how}"
    yield from (f"note: {note}" for note in value["notes"])


def _of(variables: Sequence[str]) -> str:
    """Whose bytes are hurt, not more names than one reads."""
    if not variables:
        return ""
    more = len(variables) - _NAMES_MAX
    return f": {', '.join(variables[:_NAMES_MAX])}" + (f" and {more} more" if more > 0 else "")


def _repair(value: Value) -> Iterator[str]:
    would = "would be " if value["dry_run"] else ""
    for lost in value["lost"]:
        yield f"LOST  restore point {lost['id'][:ID_CHARACTERS]} ({lost['ref']}){_of(lost['variables'])}"
    if not value["damages"] and not value["packs"]:
        yield "nothing is damaged"
        return
    yield f"{len(value['points'])} restore points are whole, {len(value['lost'])} are lost"
    if value["recovered"]:
        yield f"{len(value['recovered'])} of them the journal had lost"
    if value["packs"]:
        yield f"{len(value['packs'])} packs {would}put aside, {len(value['rewritten'])} with what is whole of them kept"
    yield f"the journal {would or 'was '}made anew"
    if value["quarantine"]:
        yield f"what was damaged lies in {value['quarantine']} of the store; nothing was deleted"


def _forget(value: Value) -> Iterator[str]:
    would, did = ("would be ", "would be ") if value["dry_run"] else ("", "")
    yield f"{len(value['points'])} restore points {would}forgotten, {size(value['bytes_freed'])} {did}freed"
    if value["waiting"]:
        yield f"{len(value['waiting'])} packs are still being read, and go at the next forgetting"
    if value["swept"]:
        yield f"{len(value['swept'])} files left by checkpoints that died were removed"


def _key(value: Value) -> Iterator[str]:
    yield f"key {value['key'][:ID_CHARACTERS]} {value['did']}: {value['file']}"


def _doctor(value: Value) -> Iterator[str]:
    signs = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}
    width = max(len(check["name"]) for check in value["checks"])
    for check in value["checks"]:
        meaning = f"  {check['meaning']}" if check["meaning"] else ""
        yield f"{signs[check['status']]}  {check['name']:<{width}}  {check['value']}{meaning}"
        if check["advice"]:
            yield f"      {'':<{width}}  -> {check['advice']}"
    yield "this machine can take and restore checkpoints" if value["ok"] else "forkpoint cannot work here: see FAIL"


def _objects(value: Value) -> Iterator[str]:
    """A table in Markdown: yes, no, or - for not tried."""
    yield "| library | object | saved | equal | aliases | same bytes | |"
    yield "|---|---|---|---|---|---|---|"
    signs = {True: "yes", False: "no", None: "-"}
    for row in value["objects"]:
        marks = " | ".join(signs[row[name]] for name in ("captured", "equal", "aliased", "stable"))
        note = " ".join(row["note"].split()).replace("|", "/")
        yield f"| {row['library']} | {row['name']} | {marks} | {note if row['expected'] else f'UNEXPECTED: {note}'} |"


_REPORTS: Final[Mapping[str, Callable[[Value], Iterator[str]]]] = {
    "log": _log,
    "show": _show,
    "verify": _verify,
    "repair": _repair,
    "forget": _forget,
    "key": _key,
    "doctor": _doctor,
    "objects": _objects,
}


def command_line(run: Value) -> str:
    """What was run, as one would type it."""
    import shlex

    words = list(run["argv"]) or [run["program"]]
    # The program is named once, whether or not the arguments begin with it.
    return shlex.join(words if words[0] == run["program"] else [run["program"], *words])


def ending(run: Value) -> str:
    """What became of a run: `running`, `finished (exit 0)`, `died`."""
    if run["exit"] is None:
        return str(run["state"])
    return f"{run['state']} (exit {run['exit']})"


def moment(text: str) -> str:
    """An ISO time in the reader's zone, to the second; as it stands if it is none."""
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return text


def age(seconds: float) -> str:
    """A time span in the unit a person would choose: `12 s`, `5 min`, `3 h`, `4 d`."""
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"


def size(count: int) -> str:
    """Bytes in the unit a person would choose: `0 B`, `1.5 KiB`, `3.2 GiB`."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns as wide as their widest cell; the last one runs free."""
    whole = [tuple(header), *(tuple(" ".join(cell.split()) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in whole) for column in range(len(header) - 1)]
    for line in whole:
        yield "  ".join([*(cell.ljust(width) for cell, width in zip(line, widths, strict=False)), line[-1]])


def indented(block: Iterable[str]) -> Iterator[str]:
    """The same lines, as a block below a heading."""
    return (f"    {line}" for line in block)


def _section(title: str, block: Sequence[str]) -> Iterator[str]:
    """A heading with its lines, or a word that there are none."""
    yield ""
    yield title if block else f"{title}: nothing"
    yield from indented(block)


def _marks(point: Value) -> str:
    label = f"  [{point['label']}]" if point["label"] else ""
    return label + ("" if point["complete"] else "  INCOMPLETE")


def _times(count: int) -> str:
    return f" ({count} times)" if count > 1 else ""


def _file(item: Value) -> str:
    length = item.get("size")
    return str(item.get("path", item)) + (f", {size(length)}" if isinstance(length, int) else "")
