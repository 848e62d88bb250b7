"""Real scans: registration and volumes."""
