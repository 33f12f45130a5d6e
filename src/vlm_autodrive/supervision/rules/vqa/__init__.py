"""Rule-based questions with answers, by topic."""
