"""Colour grey pictures: training, evaluation and inference in JAX/Flax."""
