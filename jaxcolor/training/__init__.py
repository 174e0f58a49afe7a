"""The training program: losses, the step, the loop."""
