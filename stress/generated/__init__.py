"""How programs are made up by a seed: their grammar, the values they hold, and the head that all of them have."""
