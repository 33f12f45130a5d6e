"""Video in: probing, decoding by presentation time, the one frame sampler, the frame cache."""
