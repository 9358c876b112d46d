"""What people read: consoles, tables, progress. Results on standard output, notes on the other."""
