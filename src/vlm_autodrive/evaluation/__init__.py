"""The proof: every model on the same held-out clips, compared with uncertainty, and a page to show it."""
