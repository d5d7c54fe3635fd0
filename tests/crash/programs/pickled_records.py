"""What is pickled after a restore has the same bytes: constants in keys, words that only look like them."""

import hashlib
import pickle

from points import point

records = []
words = "name value name loss".split()
for step in range(4):
    records.append({"name": words[step % 3], "value": step, "loss": step / 7, "path": "name"})
    point()
    records[-1]["epoch"] = str(step)
    print(step, hashlib.sha256(pickle.dumps((records, words), protocol=4)).hexdigest())
    print([a is b for a, b in zip(records[0], records[-1], strict=False)], words[0] is words[2])
