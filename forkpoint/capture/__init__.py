"""How the program's state is found: roots, call stack, ambient state."""
