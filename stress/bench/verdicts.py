"""The bars that were set before, beside what was found; pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Results = Mapping[str, Mapping[str, Any]]


class Verdict(NamedTuple):
    bar: str
    found: str
    verdict: str


def judge(results: Results) -> list[Verdict]:
    """A verdict for each bar whose figures are there."""
    return [verdict for look in LOOKS for verdict in look(results)]


def _below(bar: str, figure: float, limit: float, unit: str = "", detail: str = "") -> Verdict:
    found = f"{figure:,.2f}{unit}" if figure < 100 else f"{figure:,.0f}{unit}"
    return Verdict(bar, found + detail, "met" if figure <= limit else "**missed**")


def _medians(results: Results, workload: str) -> Mapping[str, Any]:
    runs = [results.get(heading, {}).get(workload) for heading in ("many points", "cost")]
    found: Mapping[str, Any] = next((run["medians"] for run in runs if run), {})
    return found


def _both(figures: Mapping[str, float]) -> float:
    return figures["stop"] + figures["slowed"]


def stop(results: Results) -> Iterator[Verdict]:
    one = _medians(results, "W1")
    if "forkpoint" not in one:
        return
    ours = one["forkpoint"]
    if "memcpy" in one:
        yield _below("W1: stop + slowed next step <= 2.0 times memcpy", _both(ours) / one["memcpy"]["stop"], 2.0)
    if "dcp-thread" in one:
        yield _below("W1: <= 0.9 times dcp.async_save (thread)", _both(ours) / _both(one["dcp-thread"]), 0.9)
        later = ours["durable"] / one["dcp-thread"]["durable"]
        yield _below("W1: durable no later than dcp.async_save (thread)", later, 1.0, " times")


def dense(results: Results) -> Iterator[Verdict]:
    one = _medians(results, "dense")
    if {"forkpoint", "pickle"} <= one.keys():
        ratio = one["forkpoint"]["durable"] / one["pickle"]["durable"]
        yield _below("all changed: durable <= 1.15 times pickle 5 + fsync", ratio, 1.15)


def sparse(results: Results) -> Iterator[Verdict]:
    one = _medians(results, "W4")
    if {"forkpoint", "torch.save"} <= one.keys():
        times = one["torch.save"]["bytes"] / one["forkpoint"]["bytes"]
        yield Verdict("W4: >= 40 times fewer bytes than torch.save", f"{times:.0f}", _met(times >= 40))
    one = _medians(results, "W9")
    if "forkpoint" in one:
        yield _below("W9: <= 256 kB a point", one["forkpoint"]["bytes"] / 1e3, 256, " kB")
        yield _below("W9: stop <= 10 ms per GB", one["forkpoint"]["stop"], 10, " ms")
    one = _medians(results, "W8")
    if "forkpoint" in one:
        yield _below("W8: <= 11.5 MB in all", one["forkpoint"]["bytes_in_all"] / 1e6, 11.5, " MB")
        least = min(one.keys() - {"none"}, key=lambda method: _both(one[method]))
        said = ", ".join(f"{method} {_both(one[method]):.1f} ms" for method in dict.fromkeys(("forkpoint", least)))
        yield Verdict("W8: stop + slowed the least of all methods", said, _met(least == "forkpoint"))
    one = _medians(results, "W7")
    if {"forkpoint", "fork"} <= one.keys():
        yield _below("W7: stop <= 1.3 times a bare fork", one["forkpoint"]["stop"] / one["fork"]["stop"], 1.3)


def large(results: Results) -> Iterator[Verdict]:
    one = _medians(results, "W2")
    for method, told in (("forkpoint", ""), ("forkpoint-256M", ", 256 MB of arena")):
        if method in one:
            found = f"stop {one[method]['stop']:,.0f} ms, memory {one[method]['memory'] / 1e9:.1f} GB"
            yield Verdict(f"W2: never out of memory{told}", found, "met")


def overhead(results: Results) -> Iterator[Verdict]:
    bars = (
        ("every 10 steps", "overhead every 10 steps", ("W1", "W3"), 3.5),
        ("with defaults", "overhead with defaults", ("W1", "W3"), 1.0),
        ("a point a second", "overhead every second", ("small", "W8"), 1.5),
        ("a point a second, two threads", "overhead every second, two threads", ("small", "W8"), 5.0),
    )
    for bar, heading, workloads, limit in bars:
        for workload in workloads:
            found = results.get(heading, {}).get(workload)
            if found:
                yield _counted(f"{workload}: overhead {bar} <= {limit} %", found, limit)


def _counted(bar: str, found: Mapping[str, Any], limit: float) -> Verdict:
    """An overhead counts only with four fifths of the points that were asked for."""
    figure, taken = statistics.median(found["overheads"]), statistics.median(found["points"])
    told = f"{figure:.1f} %, {taken:.0f} points" + (f" of {found['asked']}" if found["asked"] else "")
    if taken < 0.8 * found["asked"]:
        return Verdict(bar, told, "**missed**: too few points")
    apart = max(found["overheads"]) - min(found["overheads"])
    sure = "" if apart <= limit else f" (but pairs differ by {apart:.0f} %)"
    return Verdict(bar, told, _met(figure <= limit) + sure)


def blocks(results: Results) -> Iterator[Verdict]:
    often, seldom = ("every 10 steps", 3.5), ("a second", 1.5)
    for workload, (how, limit) in {"W1": often, "W3": often, "small": seldom, "W8": seldom}.items():
        found = results.get("blocks", {}).get(workload)
        if found:
            share = 100 / (10 * found["step"] if how == "every 10 steps" else 1)
            cost, error = share * found["cost"], share * found["error"]
            sure = "" if abs(cost - limit) > error else " (within the error)"
            said = f"{cost:.1f} +- {error:.1f} %"
            yield Verdict(f"{workload}: a point {how} <= {limit} %, in blocks", said, _met(cost <= limit) + sure)


def restore(results: Results) -> Iterator[Verdict]:
    answers = results.get("restore", {})
    for workload in ("W1", "small", "W8", "W10"):
        if found := answers.get(workload):
            yield _below(f"{workload}: restored <= 1.5 times imports + pickle.load + copying", found["ratio"], 1.5)


def _met(met: bool) -> str:
    return "met" if met else "**missed**"


LOOKS: tuple[Callable[[Results], Iterator[Verdict]], ...] = (stop, dense, sparse, large, overhead, blocks, restore)
