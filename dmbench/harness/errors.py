"""What can go wrong in a way that a user can mend: each error is one line that says what, and what to do."""


class DmbenchError(Exception):
    """Base of all errors that the command line prints without a traceback."""


class UsageError(DmbenchError):
    """A word on the command line, or an argument, that dmbench cannot act on."""


class NumbersError(DmbenchError):
    """A file of paper numbers or artifacts that is malformed: file, key and reason."""


class ArtifactError(DmbenchError):
    """A file that an experiment needs is missing, damaged or out of reach."""


class DamagedArtifact(ArtifactError):
    """A file is there, but is not the one that is listed: a result of it would be of something else."""


class ContractError(DmbenchError):
    """An implementation that does not do what an experiment asks of it."""


class RecordsError(DmbenchError):
    """Records that cannot be written where they belong."""


def nearest(word: str, known: list[str]) -> str:
    """Return ': did you mean ...' with the closest known words, or a list of all where none is close."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=3, cutoff=0.6)
    if close:
        return f": did you mean {' or '.join(close)}?"
    return f": choose from {', '.join(sorted(known))}" if known else ""
