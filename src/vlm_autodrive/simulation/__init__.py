"""Simulated dashcam drives, whose endings are decided by physics, written out as an ordinary data set."""
