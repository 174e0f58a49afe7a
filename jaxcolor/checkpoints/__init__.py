"""What training leaves and inference reads: the work directory, checkpoints, models in one file."""
