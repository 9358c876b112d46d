"""Sections of the report: one file with one function ``(sources) -> Section`` each."""
