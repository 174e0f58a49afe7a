"""Does it fool people? True and coloured photographs, one at a time, on a local page."""
