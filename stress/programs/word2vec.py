"""Skip-gram word vectors with negative sampling in numpy, on text of a small grammar it makes up itself."""

import random
import re
from collections import Counter

import numpy as np

GRAMMAR = {
    "S": ["NP VP .", "NP VP and NP VP ."],
    "NP": ["the N", "the A N", "a A A N"],
    "VP": ["V NP", "V slowly", "V NP near NP"],
    "N": ["cat", "dog", "king", "queen", "ship", "river", "child", "tree"],
    "A": ["old", "young", "green", "quiet", "large"],
    "V": ["sees", "follows", "greets", "fears", "finds"],
}


def expand(symbol, rng):
    if symbol not in GRAMMAR:
        yield symbol
        return
    for part in rng.choice(GRAMMAR[symbol]).split():
        yield from expand(part, rng)


def corpus(sentences, seed):
    rng = random.Random(seed)
    return " ".join(word for _ in range(sentences) for word in expand("S", rng))


def pairs(tokens, window, rng):
    for i, word in enumerate(tokens):
        reach = rng.integers(1, window + 1)
        for j in range(max(0, i - reach), min(len(tokens), i + reach + 1)):
            if i != j:
                yield word, tokens[j]


words = re.findall(r"[a-z]+", corpus(220, 4))
counts = Counter(words)
vocabulary = {word: n for n, (word, _) in enumerate(sorted(counts.items(), key=lambda item: (-item[1], item[0])))}
tokens = [vocabulary[word] for word in words]
weights = np.array([counts[word] for word in vocabulary], float) ** 0.75
table = np.repeat(np.arange(len(vocabulary)), (weights / weights.sum() * 5000).astype(int) + 1)
rng = np.random.default_rng(7)
W = rng.normal(scale=0.1, size=(len(vocabulary), 32))
C = np.zeros_like(W)
for epoch in range(4):
    loss = seen = 0.0
    rate = 0.025 * (1 - epoch / 5)
    for centre, context in pairs(tokens, 3, rng):
        chosen = np.concatenate(([context], table[rng.integers(0, len(table), 4)]))
        v, u = W[centre], C[chosen]
        p = 1 / (1 + np.exp(-u @ v))
        error = p.copy()
        error[0] -= 1
        W[centre] = v - rate * error @ u
        np.subtract.at(C, chosen, rate * np.outer(error, v))
        loss -= np.log(p[0] + 1e-9) + np.log(1 - p[1:] + 1e-9).sum()
        seen += 1
    print(epoch, int(seen), repr(float(loss / seen)), flush=True)
unit = W / np.linalg.norm(W, axis=1, keepdims=True)
names = list(vocabulary)
for word in ("cat", "king", "old", "sees"):
    order = np.argsort(-unit @ unit[vocabulary[word]], kind="stable")
    print(word, [names[i] for i in order[1:4]], repr(float(np.abs(W[vocabulary[word]]).sum())))
