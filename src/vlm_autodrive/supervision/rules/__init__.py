"""Rule-based supervision: captions, descriptions, VQA and reasoning from metadata and truth."""
