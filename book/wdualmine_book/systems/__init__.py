"""The page *All systems*: its records, tables and figures, with ghosting and cost."""
