"""Float network → real graph → integer graph: fold, put on pixels, quantise."""
