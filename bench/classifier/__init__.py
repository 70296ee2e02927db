"""The classifier on labelled sets: the same method taught by each set, and what ships. `python -m bench.classifier`."""
