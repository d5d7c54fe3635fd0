"""Most of its time goes into single C calls: SVDs, eigenvalues and a scipy minimisation of seconds each."""

import numpy as np
from scipy import linalg, optimize

rng = np.random.default_rng(5)
A = rng.normal(size=(420, 420))
for round_ in range(5):
    U, s, Vt = np.linalg.svd(A)
    print(round_, "svd", repr(float(s[:5].sum())), repr(float(s[-1])))
    values = np.linalg.eigvalsh(A @ A.T)
    print(round_, "eig", repr(float(values.mean())))
    A = (U * np.log1p(s)) @ Vt + 0.1 * rng.normal(size=A.shape)

rows = rng.normal(size=(400, 12))
target = np.sin(rows @ rng.normal(size=12))


def residuals(w):
    return np.tanh(rows @ w[:12]) * w[12] + w[13] - target


for start in range(2):
    found = optimize.least_squares(residuals, rng.normal(size=14), max_nfev=200)
    print("fit", start, repr(float(found.cost)), found.nfev)
print(repr(float(np.abs(linalg.expm(A / 50)).sum())))
