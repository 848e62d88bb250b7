"""The page *All metrics*: the record of conventions and its tables."""
