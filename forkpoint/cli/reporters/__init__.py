"""How a verb's value is shown: for people, or as JSON."""
