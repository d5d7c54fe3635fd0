"""k-nearest neighbours from scratch, a Kalman filter with smoothing, and Conway's Game of Life."""

import enum
import math
import random
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

random.seed(12)


class Point(NamedTuple):
    x: float
    y: float
    label: int


class Metric(enum.Enum):
    EUCLID = "euclid"
    CITY = "city"

    def __call__(self, a, b):
        if self is Metric.EUCLID:
            return math.hypot(a.x - b.x, a.y - b.y)
        return abs(a.x - b.x) + abs(a.y - b.y)


def blobs(n):
    for i in range(n):
        label = i % 3
        yield Point(random.gauss(label, 0.7), random.gauss(-label, 0.7), label)


def classify(known, point, k, metric):
    nearest = sorted(known, key=lambda other: metric(other, point))[:k]
    votes = {}
    for other in nearest:
        votes[other.label] = votes.get(other.label, 0) + 1
    return max(sorted(votes), key=votes.get)


known, tested = list(blobs(500)), list(blobs(120))
for metric in Metric:
    for k in (1, 5, 15):
        right = sum(classify(known, point, k, metric) == point.label for point in tested)
        print("knn", metric.name, k, right, flush=True)


@dataclass
class Kalman:
    dt: float
    noise: float
    state: np.ndarray = field(default_factory=lambda: np.zeros(4))
    cov: np.ndarray = field(default_factory=lambda: np.eye(4) * 10)
    history: list = field(default_factory=list)

    def __post_init__(self):
        self.F = np.eye(4) + self.dt * np.eye(4, k=2)
        self.H = np.eye(2, 4)
        self.Q = 0.01 * np.eye(4)

    def step(self, measured):
        prior, P = self.F @ self.state, self.F @ self.cov @ self.F.T + self.Q
        S = self.H @ P @ self.H.T + self.noise**2 * np.eye(2)
        K = P @ self.H.T @ np.linalg.inv(S)
        self.state = prior + K @ (measured - self.H @ prior)
        self.cov = (np.eye(4) - K @ self.H) @ P
        self.history.append((self.state, self.cov, prior, P))

    def smooth(self):
        state, cov, *_ = self.history[-1]
        for (s, P, *_), (_, _, prior, prior_P) in zip(self.history[-2::-1], self.history[:0:-1]):
            G = P @ self.F.T @ np.linalg.inv(prior_P)
            state, cov = s + G @ (state - prior), P + G @ (cov - prior_P) @ G.T
            yield state


rng = np.random.default_rng(6)
kalman = Kalman(0.1, 0.4)
for n in range(12000):
    truth = np.array([math.cos(n / 80), math.sin(n / 50)]) * 3
    kalman.step(truth + rng.normal(scale=0.4, size=2))
    if n % 3000 == 0:
        print("kalman", n, [repr(float(v)) for v in kalman.state], flush=True)
print("smoothed", repr(float(sum(np.abs(s).sum() for s in kalman.smooth()))))

cells = {(random.randrange(60), random.randrange(60)) for _ in range(900)}
for generation in range(160):
    counts = {}
    for x, y in sorted(cells):
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                if dx or dy:
                    place = ((x + dx) % 64, (y + dy) % 64)
                    counts[place] = counts.get(place, 0) + 1
    cells = {place for place, n in counts.items() if n == 3 or (n == 2 and place in cells)}
    if generation % 40 == 0:
        print("life", generation, len(cells), sum(x * 64 + y for x, y in cells), flush=True)
