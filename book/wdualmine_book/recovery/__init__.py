"""The page *Signal recovery*: its records, tables and figures."""
