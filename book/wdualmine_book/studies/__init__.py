"""The pages *Ablations* and *Studies*: what a change of the network, the objective or the schedule does."""
