"""Fast paths of layers, one a file: what a layer calls where its canonical form would be slow."""
