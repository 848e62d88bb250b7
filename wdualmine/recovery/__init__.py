"""Signal recovery: what of a known signal in one source is left in the fused image, and training for it."""
