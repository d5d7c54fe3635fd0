"""pandas: frames changed in place and by copy-on-write, group-by loops, indexes, categories, alive iterators of rows."""

import numpy as np
import pandas as pd

from points import point

rng = np.random.default_rng(4)
frame = pd.DataFrame(
    {
        "x": rng.normal(size=300),
        "n": rng.integers(0, 5, 300),
        "kind": pd.Categorical(rng.choice(list("abc"), 300)),
        "when": pd.date_range("2024-01-01", periods=300, freq="h"),
    }
)
column, shallow = frame["x"], frame.copy(deep=False)
rows = frame.itertuples()
first = next(rows)
point()
frame.loc[5, "x"] = 99.0
print(first.n, next(rows).kind, float(column[5]), float(shallow.loc[5, "x"]), float(frame.loc[5, "x"]))
for kind, group in frame.groupby("kind", observed=True):
    if kind == "b":
        point()
    print(kind, repr(float(group["x"].sum())), len(group), group["n"].value_counts().sort_index().tolist())
column.iloc[0] = -1.0
print(float(column.iloc[0]), float(frame["x"].iloc[0]) == -1.0, frame["kind"].cat.categories.tolist())
indexed = frame.set_index(["kind", "n"]).sort_index()
point()
print(repr(float(indexed.loc[("a", 2), "x"].sum())), indexed.index.names, frame["when"].dt.day.nunique(), frame.dtypes.tolist())
frame["new"] = frame["x"].rolling(5).mean()
for name, series in frame[["x", "new"]].items():
    point()
    print(name, repr(float(series.sum())), series.index is frame.index)
