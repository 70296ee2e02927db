"""Decisions: values in, values out, the clock an argument. Pure."""
