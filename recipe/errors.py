"""The one exception that means "the user's input or settings cannot work": printed as one line, exit status 2, no
traceback.
"""


class InputError(ValueError):
    """Bad input. The message names the place (file, line or key), the value, why it cannot work and what to do."""
