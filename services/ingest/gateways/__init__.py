"""How posts come in: one file per shape, and what they have in common."""
