"""Export of supervision sets for other trainers."""
