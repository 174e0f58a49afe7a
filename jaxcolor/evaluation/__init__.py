"""Evaluation: how good generated pictures are, in numbers, grids and curves."""
