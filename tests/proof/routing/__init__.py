"""The story of routing, on real parts: routers that are killed, agents who come and go, and what the tables say after.

Time goes faster than on the wall: PostgreSQL's own clock is replaced in the story's database, so that hours open and
close, deadlines pass and offers run out in every process alike. What was committed when is PostgreSQL's word too.
"""
