"""How objects become bytes and come back."""
