"""Agents: what acts and learns, one paper a file."""
