"""Why a photo got its answer: where in it, whose fault, and what is like it."""
