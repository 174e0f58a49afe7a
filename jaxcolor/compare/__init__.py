"""Runs beside each other, as a page and a table; and sweeps: lists of runs that end in that page."""
