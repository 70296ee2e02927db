"""Hears `work.items`: which mentions can be answered, which were.

Tells `replies`: what went out, and what a person must look at.
Owns replies, targets (the mentions that can be answered) and response latencies.
"""
