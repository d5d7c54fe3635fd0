"""A commit point where the stack cannot be resumed is refused by name, warned about, and harms nothing.

Where C code stands between two frames there are two honest answers: a refusal, or a point that really resumes.
"""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest
from catalogue import REFUSALS
from harness import Bench, Program
from test_kill import each_acknowledged_point

pytestmark = pytest.mark.xdist_group("refusals")

CONSTRUCTS = {
    "sort_key": "sort",
    "list_sort": "sort",
    "map": "map|list",
    "filter": "filter|list",
    "list_of_generator": "list",
    "sum_of_generator": "sum",
    "max_key": "max",
    "reduce": "reduce",
    "lru_cache": "lru_cache|cache",
    "class_body": "class",
    "asyncio_task": "asyncio|event loop|task|run",
    "del": "__del__",
    "new": "__new__",
    "bool": "__bool__|bool|truth",
    "not": "__bool__|bool|not|truth",
    "hash": "__hash__|hash|set",
    "contains": "__contains__|in\\b|contains",
    "not_equal": "__eq__|!=|compar",
    "f_string": "format|f-string",
    "f_string_repr": "__repr__|format|f-string|repr",
    "next_with_default": "next",
    "getattr_with_default": "getattr",
    "import": "import",
    "str_join": "join|list|iterat",
    "dict_update": "dict",
    "unpacking": "unpack",
    "star_call": "\\*|list|extend|call|unpack",
    "itertools_over": "islice|itertools",
    "abc_hook": "isinstance|__instancecheck__",
    "sub_callback": "sub",
}
"""What each construct is called by; the reason must say one of these, whichever way C code is described."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory, python) -> dict[str, dict[str, object]]:
    """All constructs tried in one run under forkpoint."""
    here = Bench(
        Program("constructs", ("constructs.py", *CONSTRUCTS), REFUSALS), tmp_path_factory.mktemp("refusals"), python
    )
    ran = here.run(env={"CRASH_FACTS": "1"})
    lines = ran.out.decode().splitlines()
    assert lines[-1:] == ["end"], f"the program did not live to its end: exit {ran.status}\n{ran.err.decode()[-2000:]}"
    return {facts["name"]: facts for facts in map(json.loads, lines[:-1])}


@pytest.mark.parametrize("name", CONSTRUCTS)
def test_a_point_inside_is_durable_or_refused_by_name_with_a_warning(name, answers):
    facts = answers[name]
    assert facts["result"] is True, facts
    if facts["durable"]:
        return  # whether it resumes is the next test's business
    assert facts["id"] is None and facts["restored"] is False, facts
    assert re.search(CONSTRUCTS[name], str(facts["reason"])), facts["reason"]
    assert re.search(r"\.py:\d+", json.dumps([facts["reason"], facts["warnings"]])), f"no place named: {facts}"
    assert "NotResumableWarning" in [category for category, _ in facts["warnings"]], facts


NEVER = ("list_sort", "filter", "lru_cache", "class_body", "asyncio_task", "del")


@pytest.mark.parametrize("name", NEVER)
def test_what_nobody_can_resume_is_never_called_durable(name, answers):
    assert answers[name]["durable"] is False, answers[name]


def test_every_point_in_these_constructs_that_is_durable_resumes_and_refusals_harm_nothing(tmp_path, python, verdicts):
    here = Bench(Program("constructs", ("constructs.py", *CONSTRUCTS), REFUSALS), tmp_path / "b", python)
    oracle = here.call(here.program.command, {"FORKPOINT_DISABLE": "1"})
    assert oracle.out.count(b'"result": true') == len(CONSTRUCTS)
    verdicts("constructs", "fault", each_acknowledged_point(here, oracle, plain=False))


def inline(tmp_path: Path, python: str, code: str) -> Bench:
    """A bench for a few lines of program."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "program.py").write_text(textwrap.dedent(code))
    return Bench(Program("program", ("program.py",), source), tmp_path / "bench", python)


def test_a_live_thread_is_named_and_the_point_refused(tmp_path, python):
    here = inline(
        tmp_path,
        python,
        """
        import threading
        import forkpoint

        stop = threading.Event()
        worker = threading.Thread(target=stop.wait, name="feeder-7")
        worker.start()
        taken = forkpoint.checkpoint(wait=True)
        print(taken.id, taken.durable, "feeder-7" in taken.reason)
        stop.set()
        worker.join()
        taken = forkpoint.checkpoint(wait=True)
        print(taken.durable)
        """,
    )
    ran = here.run()
    assert (ran.status, ran.out) == (0, b"None False True\nTrue\n"), (ran.out, ran.err.decode()[-1500:])


def test_an_ignored_thread_does_not_stand_in_the_way(tmp_path, python):
    here = inline(
        tmp_path,
        python,
        """
        import threading
        import forkpoint

        stop = threading.Event()
        worker = threading.Thread(target=stop.wait, name="feeder-7", daemon=True)
        worker.start()
        print(forkpoint.checkpoint(wait=True).durable)
        """,
    )
    ran = here.run("--ignore-threads", "feeder-*")
    assert (ran.status, ran.out) == (0, b"True\n"), (ran.out, ran.err.decode()[-1500:])


def test_a_live_child_process_is_refused(tmp_path, python):
    here = inline(
        tmp_path,
        python,
        """
        import subprocess, sys
        import forkpoint

        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        taken = forkpoint.checkpoint(wait=True)
        print(taken.id, taken.durable, str(child.pid) in taken.reason or "child" in taken.reason)
        child.communicate(b"go")
        print(forkpoint.checkpoint(wait=True).durable)
        """,
    )
    ran = here.run()
    assert (ran.status, ran.out) == (0, b"None False True\nTrue\n"), (ran.out, ran.err.decode()[-1500:])


def test_an_open_autograd_graph_is_refused_and_a_spent_one_is_not(tmp_path, python, has):
    if not has(["torch"]):
        pytest.skip("needs torch")
    here = inline(
        tmp_path,
        python,
        """
        import torch
        import forkpoint

        w = torch.ones(3, requires_grad=True)
        loss = (w * w).sum()
        taken = forkpoint.checkpoint(wait=True)
        print(taken.durable, "graph" in taken.reason)
        loss.backward()
        print(forkpoint.checkpoint(wait=True).durable, w.grad.tolist())
        """,
    )
    ran = here.run()
    assert (ran.status, ran.out) == (0, b"False True\nTrue [2.0, 2.0, 2.0]\n"), (ran.out, ran.err.decode()[-1500:])


def test_an_open_graph_that_only_unread_variables_hold_is_left_behind(tmp_path, python, has):
    if not has(["torch"]):
        pytest.skip("needs torch")
    here = inline(
        tmp_path,
        python,
        """
        import torch
        import forkpoint

        def main():
            w = torch.ones(3, requires_grad=True)
            seen = []
            for step in range(3):
                chance = torch.sigmoid(w * step)
                drawn = torch.distributions.Bernoulli(chance)
                seen.append(chance[0].item() + drawn.mean.sum().item())
                taken = forkpoint.checkpoint(wait=True)
                print(step, taken.durable or taken.restored, [round(each, 6) for each in seen])
            kept = w * w
            print(forkpoint.checkpoint(wait=True).durable, "graph" in forkpoint.checkpoint(wait=True).reason)
            kept.sum().backward()
            print(w.grad.tolist())

        main()
        """,
    )
    ran = here.run()
    assert (ran.status, ran.out.splitlines()[-2]) == (0, b"False True"), (ran.out, ran.err.decode()[-1500:])
    assert ran.out.splitlines()[1].startswith(b"1 True")
    again = here.restore("latest")
    assert again.status == 0 and again.out and ran.out.endswith(again.out), (again.out, again.err.decode()[-1500:])
