"""The canonical layers, one a file."""
