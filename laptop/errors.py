"""What the laptop AWS says when it refuses."""


class AwsError(Exception):
    """An error as AWS returns it: a code, a message and an HTTP status.

    ``code`` is the error's name in the service model (for instance ``ValidationException``).
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class LaptopError(Exception):
    """The laptop AWS cannot go on; the message is one sentence that says what to do."""
