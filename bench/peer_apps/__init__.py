"""One piece of work written four ways: raw posts -> keyword classifier -> PostgreSQL -> routed, in two processes.

Each runs as `python -m bench.peer_apps.<name> classify|route`, in an environment of its own.
"""
