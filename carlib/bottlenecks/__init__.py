"""Photos × backbone → features, each computed once and kept."""
