"""numpy's generators: the global one, RandomState, Generator over several bit generators, spawned seeds, bound methods."""

import numpy as np

from points import point

np.random.seed(3)
state = np.random.RandomState(5)
rng = np.random.default_rng(7)
twister = np.random.Generator(np.random.MT19937(1))
philox = np.random.Generator(np.random.Philox(2))
children = np.random.SeedSequence(9).spawn(2)
rand, draw = np.random.rand, rng.normal
shared = np.random.Generator(rng.bit_generator)
for turn in range(3):
    print("global", rand(2).tolist(), np.random.randint(0, 100, 3).tolist(), np.random.standard_normal())
    point()
    print("state", state.randn(2).tolist(), state.permutation(5).tolist())
    print("rng", draw(size=2).tolist(), rng.integers(0, 1000, 3).tolist(), shared.random())
    print("others", twister.random(), philox.choice(10, 3).tolist(), rng.permutation(4).tolist())
    point()
made = [np.random.default_rng(c) for c in children]
print([g.random() for g in made], children[0].spawn(1)[0].generate_state(2).tolist())
print(rand.__self__ is np.random.mtrand._rand, shared.bit_generator is rng.bit_generator)
