"""Digits with scikit-learn: an ordinary training script that has never heard of checkpoints."""

import hashlib

import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

EPOCHS = 24

images, labels = load_digits(return_X_y=True)
images = images / 16.0
rng = np.random.default_rng(7)
model = MLPClassifier((48, 24), random_state=3, learning_rate_init=0.003)


def batches(size):
    order = rng.permutation(1400)
    for start in range(0, len(order), size):
        picked = order[start : start + size]
        noise = rng.normal(0, 0.05, (len(picked), 64))
        yield images[picked] + noise, labels[picked]


for epoch in range(EPOCHS):
    losses = []
    for inputs, targets in batches(100):
        model.partial_fit(inputs, targets, classes=range(10))
        losses.append(model.loss_)
    accuracy = model.score(images[1400:], labels[1400:])
    print(f"epoch {epoch:2d}  loss {float(np.mean(losses))!r}  accuracy {accuracy:.4f}", flush=True)

weights = b"".join(matrix.tobytes() for matrix in model.coefs_)
with open("weights.bin", "wb") as file:
    file.write(weights)
print("weights", hashlib.sha256(weights).hexdigest())
