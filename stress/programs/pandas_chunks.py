"""Reads a large CSV in chunks, cleans, joins, groups and rolls up; the file is made by the program itself first."""

from pathlib import Path

import numpy as np
import pandas as pd

rng = np.random.default_rng(2)
folder = Path("data_in")
folder.mkdir(exist_ok=True)
source = folder / "events.csv"
rows = 120_000
pd.DataFrame(
    {
        "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 90 * 86400, rows), unit="s"),
        "user": rng.integers(0, 500, rows),
        "kind": rng.choice(["view", "click", "buy", None], rows, p=[0.7, 0.2, 0.08, 0.02]),
        "amount": np.where(rng.random(rows) < 0.05, np.nan, rng.gamma(2.0, 10.0, rows).round(2)),
    }
).to_csv(source, index=False)
users = pd.DataFrame({"user": range(500), "country": rng.choice(["de", "fr", "it", "es"], 500)}).set_index("user")

totals = pd.DataFrame()
daily = {}
seen = 0
with pd.read_csv(source, chunksize=1000, parse_dates=["when"], dtype={"kind": "category"}) as reader:
    for number, chunk in enumerate(reader):
        seen += len(chunk)
        chunk = chunk.dropna(subset=["kind"]).assign(amount=lambda d: d["amount"].fillna(d["amount"].median()))
        joined = chunk.join(users, on="user")
        part = joined.groupby(["country", "kind"], observed=True)["amount"].agg(["sum", "count"])
        totals = part if totals.empty else totals.add(part, fill_value=0)
        for day, group in joined.groupby(joined["when"].dt.date):
            daily[day] = daily.get(day, 0.0) + group["amount"].sum()
        if number % 10 == 0:
            print(number, seen, repr(totals["sum"].sum()))
series = pd.Series(daily).sort_index()
print(totals.round(4).to_string())
print(series.rolling(7).mean().describe().to_string())
print(series.ewm(span=5).mean().tail(3).to_list())
