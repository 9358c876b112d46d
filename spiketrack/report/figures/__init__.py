"""Figures and drawings of the report, from values to plotly and SVG."""
