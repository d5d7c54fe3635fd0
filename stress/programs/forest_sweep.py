"""cross_val_score over models, and a sweep over random forests with out-of-bag scores and importances."""

from itertools import product

import numpy as np
from sklearn.datasets import load_digits, make_regression
from sklearn.ensemble import ExtraTreesRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.model_selection import KFold, cross_val_score, learning_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, y = load_digits(return_X_y=True)
X, y = X[:700], y[:700]
folds = KFold(5, shuffle=True, random_state=1)
models = {
    "ridge": RidgeClassifier(),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=200)),
    "forest": RandomForestClassifier(20, random_state=0),
}
means = {name: cross_val_score(model, X, y, cv=folds).mean() for name, model in models.items()}
for name in sorted(means, key=means.get):
    print(name, repr(float(means[name])))

results = []
for n, depth, features in product((10, 20), (6, None), ("sqrt", 0.3)):
    forest = RandomForestClassifier(n, max_depth=depth, max_features=features, oob_score=True, random_state=7)
    forest.fit(X, y)
    results.append((forest.oob_score_, n, str(depth), str(features)))
    print(n, depth, features, repr(float(forest.oob_score_)), int(np.argmax(forest.feature_importances_)))
print("best", max(results, key=lambda r: (r[0], -r[1])))

A, b = make_regression(600, 20, noise=4.0, random_state=3)
sizes, train, test = learning_curve(
    ExtraTreesRegressor(10, random_state=2), A, b, cv=4, train_sizes=np.linspace(0.2, 1.0, 5)
)
for size, a, t in zip(sizes, train.mean(1), test.mean(1)):
    print(int(size), repr(float(a)), repr(float(t)))
