"""What the program excludes is not there after a restore, says so when touched, and makes no point incomplete."""

from __future__ import annotations

import textwrap

from harness import Bench, Program

PROGRAM = """
    import forkpoint

    class Trainer:
        pass

    def main():
        trainer = Trainer()
        trainer.cache = {"rows": [1]}
        trainer.kept = kept
        forkpoint.exclude("trainer.cache", scratch)
        forkpoint.checkpoint(wait=True)
        print(forkpoint.restored(), trainer.kept is kept)
        for name, get in (("cache", lambda: len(trainer.cache)), ("scratch", lambda: scratch.value)):
            try:
                print(name, get())
            except forkpoint.TombstoneError as error:
                print(name, "excluded by forkpoint.exclude()" in str(error))

    kept = [1]
    scratch = Trainer()
    scratch.value = 7
    main()
"""


def test_excluded_objects_are_tombstones_and_the_point_is_complete(tmp_path, python):
    source = tmp_path / "source"
    source.mkdir()
    (source / "program.py").write_text(textwrap.dedent(PROGRAM))
    bench = Bench(Program("program", ("program.py",), source), tmp_path / "bench", python)
    bench.run(env={"FORKPOINT_FAULT": "program.durable:kill:1"})
    point = bench.json("show", "latest")
    assert point["complete"]
    assert len(point["tombstones"]) == 2
    assert bench.restore().out == b"True True\ncache True\nscratch True\n"
