"""Checks of notebook 04's exercises: features, batches and curves."""
