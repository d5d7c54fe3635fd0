"""How a program comes back."""
