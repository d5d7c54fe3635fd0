"""Durable, resumable, versioned Python programs."""
