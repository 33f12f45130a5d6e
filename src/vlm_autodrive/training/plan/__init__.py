"""The plan: tokens, frames and memory, counted before anything is trained."""
