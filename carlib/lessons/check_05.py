"""Checks of notebook 05's exercises: recall, baselines and thresholds."""
