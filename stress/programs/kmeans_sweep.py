"""A sweep of KMeans with silhouette scores over k and seeds: nested loops, a results table, the best model kept."""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import calinski_harabasz_score, silhouette_score

X, truth = make_blobs(n_samples=1200, centers=9, n_features=6, cluster_std=2.2, random_state=5)
rng = np.random.default_rng(1)
table, best = {}, None
for k in range(2, 16):
    scores = []
    for seed in rng.integers(0, 10_000, size=10):
        model = KMeans(n_clusters=k, n_init=2, random_state=int(seed)).fit(X)
        score = silhouette_score(X, model.labels_, sample_size=700, random_state=int(seed))
        scores.append(float(score))
        print(f"k {k} seed {seed} inertia {float(model.inertia_)!r} silhouette {scores[-1]!r} iterations {model.n_iter_}")
        if best is None or score > best[0]:
            best = (float(score), k, int(seed), model)
    table[k] = (np.mean(scores), np.std(scores))
    print(f"k {k} mean {float(table[k][0])!r} std {float(table[k][1])!r}")
score, k, seed, model = best
print("best", repr(score), k, seed, repr(float(calinski_harabasz_score(X, model.labels_))), rng.random())
