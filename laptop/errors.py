"""What the laptop AWS says when it refuses."""

from botocore.exceptions import ClientError


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


def sentence(about: str, error: BaseException | None) -> str:
    """One sentence about a failure: what failed, and what AWS or the handler said."""
    if isinstance(error, ClientError):
        said = error.response["Error"]
        reason = f"{said.get('Code')} from {error.operation_name}: {said.get('Message')}"
    else:
        reason = " ".join(str(error).split())
    return f"{about}: {reason.rstrip('.')}."
