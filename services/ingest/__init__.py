"""Hears the networks and internal tools: over REST, and from files.

Tells `mentions.raw`: posts that concern a handle of ours, and our own posts.
Owns handles, and how far each source was read.
"""
