"""Hears `mentions.classified` and `replies`: what a mention is, what we posted.

Tells `work.items`: where each mention waits, who has it, what answered it.
Owns agents, queues, conversations, mentions, our own posts and work items.
"""
