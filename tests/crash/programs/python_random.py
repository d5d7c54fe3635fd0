"""Python's random: the global generator, own ones, bound methods kept under another name, gauss's second value."""

import random
from random import gauss, randint, shuffle

from points import point

random.seed(12)
own = random.Random("text seed")
pick = own.choice
deal = shuffle
bound = {"uniform": random.uniform, "own": own.random}


class Dice(random.Random):
    def __init__(self, seed, sides):
        super().__init__(seed)
        self.sides = sides

    def roll(self):
        return self.randint(1, self.sides)


dice = Dice(5, 20)
saved = random.getstate()
for turn in range(3):
    cards = list(range(8))
    deal(cards)
    print("global", random.random(), randint(1, 100), gauss(0, 1), cards)
    point()
    print("own", own.random(), pick("abcdef"), bound["uniform"](1, 2), bound["own"](), dice.roll(), dice.sides)
    print("sample", random.sample(range(50), 4), random.choices("xyz", [1, 2, 3], k=4), own.gauss(0, 1))
    point()
random.setstate(saved)
print("again", random.random(), random.random.__self__ is random._inst, deal.__self__ is random._inst)
