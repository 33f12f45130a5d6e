"""Export of what is taught, for other trainers."""
