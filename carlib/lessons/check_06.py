"""Checks of notebook 06's exercises: files, labels and exports."""
