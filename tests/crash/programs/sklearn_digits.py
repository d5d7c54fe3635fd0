"""scikit-learn: SGDClassifier.partial_fit over digits, a scaler, a shuffling generator, accuracy after each epoch."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler

from points import point

X, y = load_digits(return_X_y=True)
rng = np.random.RandomState(0)
scaler = StandardScaler().fit(X[:1200])
model = SGDClassifier(random_state=1, learning_rate="adaptive", eta0=0.01)
history = []


def batches(size):
    order = rng.permutation(1200)
    for start in range(0, len(order), size):
        yield order[start : start + size]


for epoch in range(3):
    for step, batch in enumerate(batches(200)):
        model.partial_fit(scaler.transform(X[batch]), y[batch], classes=np.arange(10))
        if step in (1, 4):
            point()
    score = model.score(scaler.transform(X[1200:]), y[1200:])
    history.append(score)
    print(epoch, repr(score), repr(float(model.coef_.sum())), model.t_)
print(history, rng.rand())
