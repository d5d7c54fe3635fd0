"""Logistic regression by mini-batches, as a script with argparse, logging to a file and the console, and tqdm bars."""

import argparse
import json
import logging
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm, trange

logger = logging.getLogger("train")


def parse_args(argv=None):
    parser = argparse.ArgumentParser(description="train a classifier")
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--lr", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--out", type=Path, default=Path("run_out"))
    parser.add_argument("-v", "--verbose", action="count", default=1)
    return parser.parse_args(argv)


def setup_logging(args):
    args.out.mkdir(exist_ok=True)
    level = logging.DEBUG if args.verbose > 1 else logging.INFO
    logger.setLevel(level)
    to_file = logging.FileHandler(args.out / "train.log", mode="w")
    to_file.setFormatter(logging.Formatter("%(levelname)s:%(name)s:%(funcName)s:%(message)s"))
    to_console = logging.StreamHandler(sys.stdout)
    to_console.setFormatter(logging.Formatter("[%(levelname).1s] %(message)s"))
    logger.addHandler(to_file)
    logger.addHandler(to_console)


def make_data(rng, n=6000, d=30):
    X = rng.normal(size=(n, d))
    w = rng.normal(size=d)
    y = (X @ w + rng.normal(scale=0.5, size=n) > 0).astype(float)
    return X, y


class Meter:
    def __init__(self):
        self.total, self.count = 0.0, 0

    def update(self, value, n):
        self.total += value * n
        self.count += n

    @property
    def mean(self):
        return self.total / max(self.count, 1)


def iterate(X, y, size, rng):
    order = rng.permutation(len(X))
    for start in range(0, len(X), size):
        chosen = order[start : start + size]
        yield X[chosen], y[chosen]


def main(argv=None):
    args = parse_args(argv)
    setup_logging(args)
    logger.info("arguments: %s", {k: str(v) for k, v in sorted(vars(args).items())})
    rng = np.random.default_rng(args.seed)
    X, y = make_data(rng)
    w, momentum = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    history = []
    for epoch in trange(args.epochs, desc="epochs", mininterval=0.2):
        meter = Meter()
        bar = tqdm(iterate(X, y, args.batch_size, rng), total=-(-len(X) // args.batch_size), leave=False)
        for xb, yb in bar:
            for _ in range(8):
                p = 1 / (1 + np.exp(-np.clip(xb @ w, -30, 30)))
                gradient = xb.T @ (p - yb) / len(xb) + 1e-4 * w
                momentum = 0.9 * momentum + gradient
                w -= args.lr * momentum
            loss = -np.mean(yb * np.log(p + 1e-12) + (1 - yb) * np.log(1 - p + 1e-12))
            meter.update(float(loss), len(xb))
            bar.set_postfix(loss=f"{meter.mean:.4f}")
        accuracy = float((((X @ w) > 0) == y).mean())
        history.append({"epoch": epoch, "loss": meter.mean, "accuracy": accuracy})
        logger.info("epoch %d loss %r accuracy %r", epoch, meter.mean, accuracy)
        (args.out / "history.json").write_text(json.dumps(history, indent=1))
    logger.info("weights %s", [repr(float(v)) for v in w[:5]])
    return 0


if __name__ == "__main__":
    sys.exit(main())
