"""XGBoost trained through a TrainingCallback, with a custom objective and metric, then updated by hand."""

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(8)
X = rng.normal(size=(4000, 15))
y = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2]) + rng.normal(scale=0.3, size=4000)
train, valid = xgb.DMatrix(X[:3000], y[:3000]), xgb.DMatrix(X[3000:], y[3000:])


class Report(xgb.callback.TrainingCallback):
    def __init__(self):
        self.seen = []

    def after_iteration(self, model, epoch, evals_log):
        self.seen.append(evals_log["valid"]["rmse"][-1])
        if epoch % 50 == 0:
            print(epoch, repr(self.seen[-1]))
        return False


params = {"max_depth": 5, "eta": 0.08, "subsample": 0.8, "colsample_bytree": 0.8, "seed": 3, "nthread": 1, "objective": "reg:squarederror"}
report = Report()
model = xgb.train(params, train, 700, evals=[(valid, "valid")], callbacks=[report], verbose_eval=False)
print(len(report.seen), repr(min(report.seen)))

booster = xgb.Booster(params, [train, valid])
for round_ in range(400):
    booster.update(train, round_)
    if round_ % 40 == 0:
        print(round_, booster.eval(valid), repr(float(booster.predict(valid)[:100].sum())))
