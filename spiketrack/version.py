"""The version of this package, of its file formats and of their vocabulary."""

VERSION = "0.1.0"
FORMAT_VERSION = 1  # of export folders, runs and every JSON document
