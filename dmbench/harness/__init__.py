"""Reads numbers, runs experiments, keeps records, judges, prints. It names no paper: it discovers them."""
