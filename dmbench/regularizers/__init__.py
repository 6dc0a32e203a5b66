"""What keeps a network from learning its training set by heart, and what checks its training; one concept a file."""
