"""Which model for which data? Cross-validated scores of several pipelines on noisy copies of two classic data sets."""

import numpy as np
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

MODELS = {
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    "svm": make_pipeline(StandardScaler(), SVC(C=2.0, gamma="scale")),
    "trees": ExtraTreesClassifier(n_estimators=60, random_state=3),
    "boosting": GradientBoostingClassifier(n_estimators=40, random_state=4),
}


def noisy(features, rng, share):
    return features + rng.normal(scale=share * features.std(axis=0), size=features.shape)


def main():
    rng = np.random.default_rng(17)
    folds = RepeatedStratifiedKFold(n_splits=4, n_repeats=1, random_state=5)
    best = {}
    for name, load in (("cancer", load_breast_cancer), ("wine", load_wine)):
        features, target = load(return_X_y=True)
        for share in (0.0, 0.4):
            scores = {
                label: cross_val_score(model, noisy(features, rng, share), target, cv=folds)
                for label, model in MODELS.items()
            }
            for label, score in scores.items():
                print(f"{name} noise {share:.1f} {label:>9}: {score.mean():.12f} +- {score.std():.12f}", flush=True)
            best[name, share] = max(scores, key=lambda label: scores[label].mean())
    for (name, share), label in best.items():
        print(f"{name} noise {share:.1f}: {label}")


if __name__ == "__main__":
    main()
