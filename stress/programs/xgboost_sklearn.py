"""XGBoost through its scikit-learn classes, which put data into bins: training, early stopping, a callback."""

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(5)
X = rng.normal(size=(4000, 12))
X[rng.random(X.shape) < 0.05] = np.nan
y = np.nan_to_num(X[:, 0] * X[:, 1]) + rng.normal(scale=0.2, size=4000)


class Shout(xgb.callback.TrainingCallback):
    def after_iteration(self, model, epoch, evals_log):
        if epoch % 50 == 0:
            print(epoch, repr(evals_log["validation_0"]["rmse"][-1]), flush=True)
        return False


common = {"n_jobs": 1, "subsample": 0.8, "colsample_bytree": 0.7, "random_state": 2, "max_depth": 5}
model = xgb.XGBRegressor(n_estimators=600, learning_rate=0.05, callbacks=[Shout()], **common)
model.fit(X[:3000], y[:3000], eval_set=[(X[3000:], y[3000:])], verbose=False)
print(repr(model.predict(X[:4]).tolist()))

labels = np.digitize(y, [-0.5, 0.5])
many = xgb.XGBClassifier(n_estimators=250, early_stopping_rounds=200, callbacks=[], **common)
many.fit(X[:3000], labels[:3000], eval_set=[(X[3000:], labels[3000:])], verbose=False)
print(many.best_iteration, repr(many.predict_proba(X[:2]).tolist()))
