"""Many files in one go: find them, read ahead, colour, write behind."""
