"""A model for programs that have no carlib: each format proven before it counts."""
