"""Checks of notebook 03's exercises: the head, softmax, the learning rate."""
