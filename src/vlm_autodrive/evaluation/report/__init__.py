"""The report: one HTML file with metrics and charts."""
