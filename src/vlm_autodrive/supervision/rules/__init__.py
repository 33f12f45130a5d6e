"""Rule-based supervision: captions, descriptions, VQA, reasoning VQA and reasoning from metadata and truth."""
