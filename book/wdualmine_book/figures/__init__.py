"""The page *Figures*: drawings of the network, of fused images and of scores."""
