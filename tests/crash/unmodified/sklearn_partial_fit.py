"""scikit-learn on digits: MLPClassifier.partial_fit in shuffled batches, scores after each epoch."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

X, y = load_digits(return_X_y=True)
X = X / 16
rng = np.random.RandomState(0)
model = MLPClassifier((32,), random_state=1, learning_rate_init=0.01)
losses = []
for epoch in range(18):
    order = rng.permutation(1400)
    for start in range(0, 1400, 100):
        batch = order[start : start + 100]
        model.partial_fit(X[batch], y[batch], classes=np.arange(10))
        losses.append(model.loss_)
    print(epoch, repr(model.score(X[1400:], y[1400:])), repr(float(losses[-1])), rng.rand())
print(repr(float(np.sum(losses))), repr(float(model.coefs_[0].sum())))
