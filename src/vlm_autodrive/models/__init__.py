"""Model families, prompts and the tiny model."""
