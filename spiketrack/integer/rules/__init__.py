"""What holds of every graph: its structure, each node, and the ranges that prove head-room."""
