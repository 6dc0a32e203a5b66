"""What a user would call instead of ours, by each stem's own contract, so that it can be measured and timed as ours is.

A module `<stem>.py` holds `PEERS`: for each label shown, "torch.nn" say, the implementation of each part of the stem.
"""
