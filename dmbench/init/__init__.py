"""Initialisations: what the weights are before the first update; one concept a file."""
