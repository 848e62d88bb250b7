"""The one kind of error that is the user's to mend."""


class WdualmineError(ValueError):
    """Bad input, said in one line that names the file or value and what to do.

    The command line prints the message and exits with code 2; a notebook shows it as it is.
    """


def one_line(error: BaseException) -> str:
    """Return the first line of what an exception says, its type where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
