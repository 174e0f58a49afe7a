"""Where pictures come from, and how they become batches of uint8 RGB."""
