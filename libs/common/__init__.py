"""What two services or more need: events, the log, the database, and the way a service runs."""

__version__ = "0.1.0"
