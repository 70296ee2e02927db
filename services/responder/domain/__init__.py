"""Decisions about replies, what networks answer, and how long people wait. Pure: values in, values out."""
