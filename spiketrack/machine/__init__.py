"""What this machine gives: cores, memory, descriptors, signals, locks; which packages load."""
