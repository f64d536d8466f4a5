"""Checks of notebook 09's exercises: photos of one's own."""
