"""The code of the book's pages: records, tables and figures, a folder per page."""
