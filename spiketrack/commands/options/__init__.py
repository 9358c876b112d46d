"""What several commands take, and how it is opened."""
