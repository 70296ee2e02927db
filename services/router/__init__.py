"""Hears `mentions.classified` and `replies`: what a mention is, what we posted.

Tells `work.items`: where each mention waits, who has it, what answered it, what people say it is.
Owns agents, queues, conversations, mentions, corrections, our own posts and work items.
"""
