"""The worlds that bAbI's tasks are told of."""
