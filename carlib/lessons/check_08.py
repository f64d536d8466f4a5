"""Checks of notebook 08's exercises: a better model, and whether it is."""
