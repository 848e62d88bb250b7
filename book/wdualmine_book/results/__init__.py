"""The page *Results*: Tables 1 to 3 and the record of the baselines."""
