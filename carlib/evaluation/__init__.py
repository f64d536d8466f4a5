"""How good a model is, how sure that is, and which is better (notebook 05)."""
