"""One file per library whose state lies outside the object graph."""
