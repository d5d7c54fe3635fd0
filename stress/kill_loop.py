#!/usr/bin/env python3
"""Kill real programs at random times, over and over, and compare what they print with runs never killed (row 22).

    python stress/kill_loop.py [--kills 5] [--every 0.5] [--seed N] [--python PATH] [PROGRAM ...]

Each program of programs/ runs unmodified under `forkpoint run --every SECONDS`. At a random moment SIGKILL goes to
its whole process group; `forkpoint restore` goes on; and so on until it ends. Exit status 0: every chain of every
program ended with the uninterrupted run's output and exit status, nothing was lost, nothing was refused.
"""

from __future__ import annotations

import argparse
import collections
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "crash"))

from harness import Bench, Finding, Program, Verdict, tail  # noqa: E402
from timer import random_kills, uninterrupted  # noqa: E402

NEEDS = {
    "accumulate_amp": ("torch",),
    "annealing": (),
    "argparse_tqdm": ("numpy", "tqdm"),
    "bayes_numpy": ("numpy",),
    "benchmark_games": (),
    "boosting_warm_start": ("sklearn",),
    "char_gpt": ("torch", "tensorboard"),
    "cross_validation": ("sklearn",),
    "deap_onemax": ("deap",),
    "digits_partial_fit": ("sklearn",),
    "etl_files": (),
    "evolution": (),
    "forest_sweep": ("sklearn",),
    "genetic": ("numpy",),
    "graphs": (),
    "grid_search": ("sklearn",),
    "gym_qlearning": ("gymnasium",),
    "hf_trainer": ("transformers", "accelerate"),
    "kmeans_sweep": ("sklearn",),
    "lightgbm_callbacks": ("lightgbm",),
    "lightning_autoencoder": ("lightning", "rich"),
    "long_calls": ("scipy",),
    "lstm_lbfgs": ("torch",),
    "mapped_files": ("numpy",),
    "matplotlib_drawing": ("matplotlib",),
    "moons_package": ("numpy",),
    "neighbours_kalman": ("numpy",),
    "open_pools": (),
    "pandas_chunks": ("pandas",),
    "pools": ("joblib",),
    "processes": ("numpy",),
    "qtable": (),
    "reinforce": ("torch",),
    "scipy_callback": ("scipy",),
    "simulation": (),
    "sqlite_results": (),
    "torch_checkpoints": ("torch",),
    "torch_compile": ("torch",),
    "torch_mlp": ("torch",),
    "word2vec": ("numpy",),
    "word_language_model": ("torch",),
    "workers_loader": ("torch",),
    "xgboost_callbacks": ("xgboost",),
    "xgboost_sklearn": ("xgboost",),
}
"""Each program, a file or a package for `-m`, and what it imports. A program that cannot run is a line in the table,
never silence."""

VOLATILE = ("events.out.tfevents.*", "results.db")
"""Files that hold the time; and a SQLite file, whose header counts its commits: its program prints what it reads."""


def main() -> int:
    options = parse()
    scratch = Path(tempfile.mkdtemp(prefix="kill_loop."))
    table: list[tuple[str, collections.Counter[str], str]] = []
    for name in options.programs or sorted(NEEDS):
        missing = [n for n in NEEDS[name] if not importable(options.python, n)]
        if missing:
            table.append((name, collections.Counter(), f"not run: {', '.join(missing)} missing"))
            continue
        program = Program(name, command(name), HERE / "programs", volatile=VOLATILE)
        bench = Bench(program, scratch / name, options.python, automatic=True)
        findings, note = one_program(bench, options)
        table.append((name, collections.Counter(str(f.verdict) for f in findings), note))
        for finding in findings:
            if finding.verdict is not Verdict.PASS:
                print(f"{name}: {finding}", flush=True)
    good = report(table, options)
    if good and not options.keep:
        shutil.rmtree(scratch, ignore_errors=True)
    else:
        print(f"stores and output are kept in {scratch}")
    return 0 if good else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5, help="at least so many kills a program")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between automatic commits")
    parser.add_argument("--keep", action="store_true", help="keep the scratch directory")
    return parsed(parser)


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The options of a loop over these programs: which of them, the seed, the interpreter, and its own."""
    parser.add_argument("programs", nargs="*", metavar="PROGRAM", help=", ".join(sorted(NEEDS)))
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of what is random; printed at the end")
    parser.add_argument("--python", default=sys.executable, help="interpreter under test")
    options = parser.parse_args()
    if unknown := set(options.programs) - set(NEEDS):
        parser.error(f"no such program: {', '.join(sorted(unknown))}")
    return options


def command(name: str) -> tuple[str, ...]:
    """What follows `python`: a script, or a package of the program's own."""
    return ("-m", name) if (HERE / "programs" / name).is_dir() else (f"{name}.py",)


def importable(python: str, name: str) -> bool:
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({name!r}) is None)"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def one_program(bench: Bench, options: argparse.Namespace) -> tuple[list[Finding], str]:
    """Oracle, one uninterrupted run under forkpoint, then chains of kills."""
    print(f"{bench.program.name}: oracle", flush=True)
    oracle = bench.oracle()
    if oracle.status:
        return [Finding(Verdict.HARD_FAIL, "oracle", tail(oracle.err))], ""
    whole, rhythm = uninterrupted(bench, oracle, options.every)
    print(f"{bench.program.name}: {rhythm.took:.1f} s, first point after {rhythm.first:.1f} s", flush=True)
    if whole.verdict is not Verdict.PASS:
        return [whole], ""
    rng = random.Random(f"{options.seed} {bench.program.name}")
    findings, chain = random_kills(bench, oracle, rhythm, every=options.every, at_least=options.kills, rng=rng)
    places = collections.Counter(place.rsplit("/", 1)[-1] for place in chain.places)
    common = ", ".join(place for place, _ in places.most_common(3))
    return findings, f"{rhythm.took:.1f} s, {chain.unprotected} early; {common}"


def report(table: list[tuple[str, collections.Counter[str], str]], options: argparse.Namespace) -> bool:
    """Print the table. Good is: every program ran, and every verdict is PASS."""
    version = subprocess.run([options.python, "-V"], capture_output=True, text=True, check=False).stdout.strip()
    print(f"\n{version}, every {options.every} s, seed {options.seed}")
    print(f"{'program':<20} {'kills':>5}  " + "  ".join(f"{v:>{len(v)}}" for v in Verdict))
    good = True
    for name, counts, note in table:
        numbers = "  ".join(f"{counts.get(v, 0):>{len(v)}}" for v in Verdict)
        print(f"{name:<20} {sum(counts.values()):>5}  {numbers}  {note}")
        good &= bool(counts) and set(counts) == {Verdict.PASS}
    return good


if __name__ == "__main__":
    sys.exit(main())
