"""Rounds of work in a multiprocessing.Pool, a ThreadPoolExecutor and subprocess.run, with ordinary loops in between."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from multiprocessing import Pool

import numpy as np


def simulate(seed):
    rng = np.random.default_rng(seed)
    walk = rng.normal(size=2000).cumsum()
    return float(walk.max() - walk.min())


def digest(text):
    return sum(ord(c) * (i + 1) for i, c in enumerate(text)) % 10007


def external(values):
    code = "import json, sys; print(json.dumps(sorted(json.load(sys.stdin))[:3]))"
    done = subprocess.run([sys.executable, "-c", code], input=json.dumps(values), capture_output=True, text=True)
    return json.loads(done.stdout)


def local_search(weights, rounds):
    best, score = list(weights), float("inf")
    for step in range(rounds):
        i = (step * 7919) % len(best)
        tried = best[:i] + [best[i] * 0.97 + 0.01 * (step % 11)] + best[i + 1 :]
        value = sum((w - k * 0.1) ** 2 for k, w in enumerate(tried))
        if value < score:
            best, score = tried, value
    return best, score


def main():
    weights = [1.0] * 24
    for round_ in range(5):
        with Pool(2) as pool:
            spans = pool.map(simulate, range(round_ * 8, round_ * 8 + 8))
        weights, score = local_search(weights, 60000)
        with ThreadPoolExecutor(3) as threads:
            futures = {threads.submit(digest, f"{round_}-{n}" * 50): n for n in range(6)}
            sums = {futures[future]: future.result() for future in as_completed(futures)}
        weights, score = local_search(weights, 60000)
        low = external([round(s, 6) for s in spans])
        print(round_, repr(score), repr(sum(spans)), [sums[n] for n in sorted(sums)], low, flush=True)
    print([round(w, 9) for w in weights[:6]])


if __name__ == "__main__":
    main()
