"""Files in, upright RGB pixels and a table of photos out (notebook 02)."""
