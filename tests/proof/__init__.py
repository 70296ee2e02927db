"""Guichet seen from outside: started as processes, fed with posts, killed, and asked what it holds."""
