"""Canaries: secrets with a mark, in every spelling and every place, and the outputs in which each must or must not be found."""
