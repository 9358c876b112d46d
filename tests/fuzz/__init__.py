"""Inputs that are mutated in process, a module for each room of files."""
