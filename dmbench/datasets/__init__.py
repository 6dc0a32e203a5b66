"""What experiments are fed with: files to tensors."""
