"""Export folders and their ``.nir`` files: vocabulary, writer, reader."""
