"""Post-training: the shared prefix, batches, the loop, checkpoints, and the plan made before."""
