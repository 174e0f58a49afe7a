"""Films: decoded, coloured with colours that keep still, encoded a segment at a time."""
