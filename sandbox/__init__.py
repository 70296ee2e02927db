"""A network that behaves like X, for the demo and for tests: it keeps what it gets, and is the judge of it."""
