"""Checks of notebook 07's exercises: a client's preparation of a photo."""
