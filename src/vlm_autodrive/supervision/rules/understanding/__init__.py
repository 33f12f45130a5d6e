"""Understanding VQA by rules: multiple-choice questions about a clip, each on another dimension."""
