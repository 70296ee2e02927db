"""Events in, and the use cases: load, decide, save, tell."""
