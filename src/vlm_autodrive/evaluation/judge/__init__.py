"""An LLM judge that grades reasoning traces, beside human ratings."""
