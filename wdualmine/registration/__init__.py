"""Registration: is a pair registered (`check`), and how it is brought into one space (`align`)."""
