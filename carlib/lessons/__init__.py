"""What the workshop's notebooks need and nobody else: exercises, and the hand-over."""
