"""From a checkpoint to a photograph in colour."""
