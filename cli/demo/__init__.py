"""The demo: everything started at once, seeded with a past, and kept moving by simulated agents."""
