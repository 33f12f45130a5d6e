"""Engines answer prompts about frames, with probabilities where they have them."""
