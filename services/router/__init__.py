"""Hears `mentions.classified` and `replies`: what a mention is, what we posted.

Tells `work.items`: where each mention waits, who has it, what answered it, what people say it is.
Owns agents, the set-up (queues, policies, hours, targets, skills, teams), conversations, mentions, corrections, our own
posts, work items with their clocks and reservations, and what was promised of waits.
"""
