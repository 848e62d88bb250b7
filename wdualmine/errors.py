"""The one kind of error that is the user's to mend."""


class WdualmineError(ValueError):
    """Bad input, said in one line that names the file or value and what to do.

    The command line prints the message and exits with code 2; a notebook shows it as it is.
    """
