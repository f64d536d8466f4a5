"""Features → a head, with the workshop's options (notebook 04)."""
