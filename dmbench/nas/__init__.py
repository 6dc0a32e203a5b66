"""Neural architecture search: spaces, and strategies that search them."""
