"""A script that only imports the one with the work in it: all of that runs inside the import."""

import queens

print(queens.__name__, sorted(name for name in vars(queens) if not name.startswith("_")))
