"""A client of OpenAI-compatible endpoints: adaptive concurrency, one layer of retries, a budget, a cache of replies."""
