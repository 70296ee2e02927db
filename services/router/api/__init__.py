"""HTTP in: queues, agents, work items, mentions and conversations."""
