"""HTTP in: queues, agents, work items, mentions, corrections and conversations."""
