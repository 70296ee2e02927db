"""Hears `mentions.raw`: what was posted.

Tells `mentions.classified`: what each mention is; our own posts and deletions go on as they are.
Owns nothing but a table of words.
"""
