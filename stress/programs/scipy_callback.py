"""The loop lives in a library that calls back: scipy's differential evolution and Nelder-Mead over a Python objective."""

import numpy as np
from scipy.optimize import differential_evolution, minimize

rng = np.random.default_rng(8)
target = rng.normal(size=8)
calls = 0
trace = []


class Objective:
    def __init__(self, shift):
        self.shift = shift

    def __call__(self, x):
        global calls
        calls += 1
        y = x - self.shift
        return float(((y[1:] - y[:-1] ** 2) ** 2 * 100 + (1 - y[:-1]) ** 2).sum() + 0.1 * np.cos(5 * x).sum())


def progress(x, convergence=0.0):
    trace.append(float(x.sum()))
    if len(trace) % 10 == 0:
        print(f"step {len(trace)} calls {calls} x {trace[-1]!r} convergence {float(convergence)!r}")


objective = Objective(target)
result = differential_evolution(
    objective, [(-4, 4)] * 8, seed=5, maxiter=420, popsize=12, tol=1e-12, polish=False, callback=progress
)
print("evolution", repr(float(result.fun)), result.nit, result.nfev)
polished = minimize(
    objective, result.x, method="Nelder-Mead", callback=lambda x: progress(x), options={"maxiter": 1500, "xatol": 1e-10}
)
print("polished", repr(float(polished.fun)), polished.nit, calls, repr(sum(trace)), rng.random())
