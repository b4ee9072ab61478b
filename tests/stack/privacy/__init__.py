"""Canaries: marked secrets in every spelling and every place, and where each of them must be found and must not."""
