"""What measuring needs: image quality and colour spaces, one metric a file, on torch tensors."""
