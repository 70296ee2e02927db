"""Benchmarks: what the house's parts cost, each beside the floor it is judged by, measured in the same run."""
