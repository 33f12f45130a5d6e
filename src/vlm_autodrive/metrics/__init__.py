"""Pure functions that judge answers: parsing, classification, event times, intervals, paired tests."""
