"""What the project writes and reads as JSON and YAML: one typed class a schema."""
