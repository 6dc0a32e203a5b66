"""The canonical models, one a file."""
