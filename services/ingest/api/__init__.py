"""HTTP in: mentions, handles, sources."""
