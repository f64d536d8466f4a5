"""What the training makes: predict, save, load, export (notebook 06)."""
