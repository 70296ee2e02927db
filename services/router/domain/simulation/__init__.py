"""Rehearsals: the router's own decisions over traffic, with virtual agents and a virtual clock. Pure.

Nothing here decides anything: where a message goes, who may get it and in what order stands beside this room, and is
called as production calls it.
"""
