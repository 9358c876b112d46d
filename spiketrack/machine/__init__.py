"""What this machine gives: cores, memory, shared memory, descriptors; which packages load."""
