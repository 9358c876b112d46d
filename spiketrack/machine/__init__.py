"""What this machine gives: cores, memory, descriptors, signals; which packages load."""
