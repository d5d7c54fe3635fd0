"""The programs around tables whose checkpoints are measured: boosted trees (W5), a search (W6), a pipeline (W10)."""

from __future__ import annotations

from typing import Any

from workload import Workload


def _table(rows: int, columns: int) -> tuple[Any, Any]:
    """Numbers and a class of two that depends on them."""
    import numpy as np

    random = np.random.default_rng(0)
    numbers = random.random((rows, columns))
    return numbers, (numbers @ random.normal(size=columns) + 0.3 * random.normal(size=rows) > 0).astype(int)


class Boosted(Workload):
    """W5: XGBoost and LightGBM on 100,000 rows of 30 numbers, one round of each per step."""

    name = "W5"
    sparse = True
    points = 9

    def __init__(self) -> None:
        import lightgbm
        import xgboost

        numbers, classes = _table(100_000, 30)
        self.xgboost = xgboost.Booster({"nthread": 1, "seed": 0}, [matrix := xgboost.DMatrix(numbers, classes)])
        self.matrix = matrix
        options = {"num_threads": 1, "verbose": -1, "seed": 0, "objective": "binary"}
        self.lightgbm = lightgbm.Booster(options, lightgbm.Dataset(numbers, classes, params=options))
        self.turn = 0

    def step(self) -> None:
        self.xgboost.update(self.matrix, self.turn)
        self.lightgbm.update()
        self.turn += 1

    def state(self) -> dict[str, Any]:
        return {"turn": self.turn, "xgboost": self.xgboost, "lightgbm": self.lightgbm}


class Search(Workload):
    """W6: GridSearchCV over random forests on 4,000 rows of 20 numbers, one search of six fits per step."""

    name = "W6"
    sparse = True
    points = 7

    def __init__(self) -> None:
        self.numbers, self.classes = _table(4000, 20)
        self.searches: list[Any] = []

    def step(self) -> None:
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.model_selection import GridSearchCV

        forest = RandomForestClassifier(n_estimators=10, random_state=len(self.searches))
        self.searches.append(GridSearchCV(forest, {"max_depth": [4, 8]}, cv=3).fit(self.numbers, self.classes))

    def state(self) -> dict[str, Any]:
        return {"searches": self.searches}


class Pipeline(Workload):
    """W10: a DataFrame of 400,000 rows (32 MB) that is joined, grouped and given a new column per step."""

    name = "W10"
    sparse = True
    points = 9

    def __init__(self) -> None:
        import numpy as np
        import pandas as pd

        random = np.random.default_rng(0)
        rows = 400_000
        names = np.array([f"shop {number}" for number in range(500)])
        numbers = {f"n{number}": random.random(rows) for number in range(8)}
        self.frame = pd.DataFrame(
            {"shop": names[random.integers(500, size=rows)], "day": np.arange(rows) // 1000, **numbers}
        )
        self.sums: list[Any] = []

    def step(self) -> None:
        column = f"n{len(self.sums) % 8}"
        sums = self.frame.groupby("shop", sort=True)[column].agg(["mean", "std"]).reset_index()
        joined = self.frame.merge(sums, on="shop", how="left")
        self.frame[column] = (joined[column] - joined["mean"]) / joined["std"]
        self.sums.append(sums)

    def state(self) -> dict[str, Any]:
        return {"frame": self.frame, "sums": self.sums}
