"""The page: drop a photo, see its damage named; served, on a web server, or mailed."""
