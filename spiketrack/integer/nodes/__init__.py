"""What a node is: its traits, its base, the types."""
