"""A frozen network: its weights, precision, engine and fingerprint (notebook 03)."""
