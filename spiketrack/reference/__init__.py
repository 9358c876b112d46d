"""The float network and the checkpoints it is read from."""
