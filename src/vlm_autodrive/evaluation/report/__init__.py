"""The report: one HTML file, its figures and its charts."""
