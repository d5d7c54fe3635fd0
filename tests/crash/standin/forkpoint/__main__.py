"""The stand-in's command line: run, restore, show and an empty log, with --store first as the harness writes it."""

import json
import os
import sys

verb, _, store, *rest = sys.argv[1:]
path = os.path.join(store, "journal.db")
env = dict(os.environ)
if verb == "run":
    if rest[0] == "--every":
        del rest[:2]
    os.makedirs(store, exist_ok=True)
    with open(path, "w") as file:
        json.dump({"argv": rest, "count": 0}, file)
    os.execve(sys.executable, [sys.executable, *rest], env | {"STANDIN_STORE": store})
with open(path) as file:
    state = json.load(file)
if verb == "log":
    print(json.dumps({"runs": []}))
if verb == "show":
    if not state["count"]:
        sys.exit(14)
    shown = {"stdout_bytes": state["bytes"], "id": str(state["count"]), "created_at": state["at"], "location": "here"}
    print(json.dumps(shown | {"state": "died"}))
if verb == "restore":
    env |= {k: v for k, v in state["env"].items() if k != "FORKPOINT_FAULT"}
    env |= {"STANDIN_REPLAY": str(state["count"]), "STANDIN_BYTES": str(state["bytes"])}
    os.execve(sys.executable, [sys.executable, *state["argv"]], env)
