"""The page *Audit*: its record, tables, figures and the paper's claims."""
