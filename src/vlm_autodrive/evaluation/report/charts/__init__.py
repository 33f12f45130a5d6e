"""The report's drawings: inline SVG of at most 360 units across, so that a narrow screen shows it unshrunk."""
