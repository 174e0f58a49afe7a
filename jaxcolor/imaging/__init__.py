"""Picture files in and out: formats, decoding, orientation, ICC profiles, EXIF, resizing."""
