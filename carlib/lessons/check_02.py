"""Checks of notebook 02's exercises: a list of photos, split, and what leaked."""
