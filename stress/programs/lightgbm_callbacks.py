"""LightGBM trained with callbacks, early stopping and continued training from a model."""

import lightgbm as lgb
import numpy as np

rng = np.random.default_rng(8)
X = rng.normal(size=(6000, 20))
y = (X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + rng.normal(scale=0.3, size=6000) > 0).astype(int)
train = lgb.Dataset(X[:4500], y[:4500], free_raw_data=False)
valid = lgb.Dataset(X[4500:], y[4500:], reference=train, free_raw_data=False)
history = {}


def shout(env):
    if env.iteration % 50 == 0:
        print(env.iteration, [(name, metric, repr(value)) for name, metric, value, _ in env.evaluation_result_list])


params = {"objective": "binary", "metric": ["auc", "binary_logloss"], "num_leaves": 31, "learning_rate": 0.03,
          "bagging_fraction": 0.8, "bagging_freq": 1, "feature_fraction": 0.7, "seed": 5, "verbose": -1,
          "num_threads": 1, "deterministic": True}
model = lgb.train(params, train, 900, valid_sets=[valid], valid_names=["valid"],
                  callbacks=[lgb.record_evaluation(history), lgb.early_stopping(200, verbose=False), shout])
print("best", model.best_iteration, repr(history["valid"]["auc"][-1]))
more = lgb.train({**params, "learning_rate": 0.02}, train, 250, valid_sets=[valid], init_model=model, callbacks=[shout])
print(repr(more.predict(X[:5]).tolist()))
