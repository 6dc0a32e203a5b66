"""Parts that agents share: memories, optimisers, noise."""
