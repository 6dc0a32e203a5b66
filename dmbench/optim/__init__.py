"""Optimisers: each the update that its paper prints, called as torch.optim's are."""
