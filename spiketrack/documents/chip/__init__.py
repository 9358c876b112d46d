"""Documents of those who have a chip."""
