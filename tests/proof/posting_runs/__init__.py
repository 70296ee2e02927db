"""Replies posted by real processes that are killed and frozen, on a network that misbehaves; then counted both ways."""
