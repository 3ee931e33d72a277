"""Connectors as processes: what they write over time, killed, resumed and compared with the truth."""
