"""Gradient boosting grown in steps with warm_start, and a sweep over random forests with out-of-bag scores."""

import numpy as np
from sklearn.datasets import make_friedman1
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import train_test_split

X, y = make_friedman1(n_samples=1500, noise=0.7, random_state=4)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=4)

booster = GradientBoostingRegressor(n_estimators=10, warm_start=True, subsample=0.7, random_state=np.random.RandomState(9))
best = (np.inf, 0)
while booster.n_estimators <= 260:
    booster.fit(X_train, y_train)
    error = mean_squared_error(y_test, booster.predict(X_test))
    best = min(best, (error, booster.n_estimators))
    print(f"{booster.n_estimators} trees: {error!r}")
    booster.n_estimators += 10
print("best", best)

results = {}
for depth in (4, 8, None):
    for features in ("sqrt", 0.5):
        forest = RandomForestRegressor(
            n_estimators=60, max_depth=depth, max_features=features, oob_score=True, bootstrap=True, random_state=1
        )
        forest.fit(X_train, y_train)
        results[depth, features] = forest.oob_score_
        print(depth, features, repr(forest.oob_score_))
print(max(results, key=results.get))
