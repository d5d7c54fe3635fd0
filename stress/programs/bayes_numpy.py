"""Gaussian process regression with a grid of hyperparameters, then Metropolis-Hastings and Gibbs sampling in numpy."""

import numpy as np

rng = np.random.default_rng(31)


class GP:
    def __init__(self, scale, noise):
        self.scale, self.noise = scale, noise

    def kernel(self, A, B):
        return np.exp(-0.5 * ((A[:, None] - B[None, :]) / self.scale) ** 2)

    def fit(self, x, y):
        self.x = x
        K = self.kernel(x, x) + self.noise**2 * np.eye(len(x))
        self.L = np.linalg.cholesky(K)
        self.alpha = np.linalg.solve(self.L.T, np.linalg.solve(self.L, y))
        self.evidence = -0.5 * y @ self.alpha - np.log(np.diag(self.L)).sum() - len(x) / 2 * np.log(2 * np.pi)
        return self

    def predict(self, new):
        k = self.kernel(self.x, new)
        v = np.linalg.solve(self.L, k)
        return k.T @ self.alpha, 1 - (v**2).sum(0)


x = np.sort(rng.uniform(-4, 4, 220))
y = np.sin(2 * x) + 0.3 * x + rng.normal(scale=0.2, size=x.size)
fits = {(s, n): GP(s, n).fit(x, y) for s in np.linspace(0.2, 2.0, 14) for n in (0.1, 0.2, 0.4)}
best = max(fits, key=lambda k: fits[k].evidence)
mean, var = fits[best].predict(np.linspace(-4, 4, 50))
print("gp", tuple(map(float, best)), repr(float(fits[best].evidence)), repr(float(mean.sum())), repr(float(var.sum())))


def log_posterior(theta):
    a, b, log_s = theta
    residual = y - a * np.sin(2 * x) - b * x
    return -0.5 * (residual**2).sum() / np.exp(2 * log_s) - len(x) * log_s - 0.5 * (theta**2).sum() / 100


def metropolis(start, steps, width):
    theta, current = np.array(start), log_posterior(np.array(start))
    accepted = 0
    for step in range(steps):
        proposal = theta + width * rng.normal(size=3)
        value = log_posterior(proposal)
        if np.log(rng.random()) < value - current:
            theta, current, accepted = proposal, value, accepted + 1
        yield step, theta, accepted


kept = []
for step, theta, accepted in metropolis([0.0, 0.0, 0.0], 30000, 0.05):
    if step >= 5000 and step % 10 == 0:
        kept.append(theta)
    if step % 5000 == 0:
        print("mh", step, [repr(float(t)) for t in theta], accepted, flush=True)
chain = np.array(kept)
print("posterior", *(repr(float(v)) for v in (*chain.mean(0), *chain.std(0))))

n, mu, tau, total = len(y), 0.0, 1.0, np.zeros(2)
for sweep in range(20000):
    mu = rng.normal(y.sum() * tau / (n * tau + 0.01), 1 / np.sqrt(n * tau + 0.01))
    tau = rng.gamma(0.1 + n / 2, 1 / (0.1 + 0.5 * ((y - mu) ** 2).sum()))
    total += (mu, tau)
print("gibbs", repr(float(total[0] / 20000)), repr(float(total[1] / 20000)))
