"""Scans as they come: registration, judged against known moves."""
