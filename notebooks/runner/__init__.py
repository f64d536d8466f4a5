"""The parts of `run.py`: execution, checks and the summary."""
