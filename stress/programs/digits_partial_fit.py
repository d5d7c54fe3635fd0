"""scikit-learn partial_fit loop on digits: SGDClassifier in shuffled mini-batches with augmentation, scores per epoch."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss
from sklearn.preprocessing import StandardScaler

np.random.seed(17)
X, y = load_digits(return_X_y=True)
order = np.random.permutation(len(X))
X, y = X[order], y[order]
train_X, train_y, test_X, test_y = X[:1400], y[:1400], X[1400:], y[1400:]
scaler = StandardScaler().fit(train_X)
test_X = scaler.transform(test_X)
model = SGDClassifier(loss="log_loss", alpha=1e-4, learning_rate="invscaling", eta0=0.02, random_state=3)
classes = np.unique(y)


def batches(size):
    order = np.random.permutation(len(train_X))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        noise = np.random.normal(0, 0.5, train_X[chosen].shape)
        yield start // size, scaler.transform(train_X[chosen] + noise), train_y[chosen]


history, best = [], (0.0, None)
for epoch in range(30):
    for step, batch, target in batches(40):
        model.partial_fit(batch, target, classes=classes)
        if step % 7 == 0:
            print(f"epoch {epoch} step {step} w {float(np.abs(model.coef_).sum())!r}")
    score = model.score(test_X, test_y)
    loss = log_loss(test_y, model.predict_proba(test_X), labels=classes)
    history.append((score, loss))
    if score > best[0]:
        best = (score, model.coef_.copy())
    print(f"epoch {epoch} score {score!r} loss {loss!r}")
print("best", repr(best[0]), repr(float(best[1].sum())), repr(float(np.random.rand())), len(history))
