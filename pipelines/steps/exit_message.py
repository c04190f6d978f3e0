"""How a processing step says why it failed: the file that SageMaker shows as its ExitMessage.

`/opt/ml/output/message`; DescribeProcessingJob returns at most 1024 characters of it.
"""

import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from .anomaly import Refused

MAX_CHARACTERS = 1024


def exit_message(reasons: Sequence[str], limit: int = MAX_CHARACTERS) -> str:
    """As many whole reasons as fit into `limit` characters, and the count of the rest.

    A first reason that alone is too long is cut.
    """
    for shown in range(len(reasons), 0, -1):
        rest = len(reasons) - shown
        more = f"; and {rest} more" if rest else ""
        text = "; ".join(reasons[:shown]) + more
        if len(text) <= limit:
            return text
        if shown == 1:
            return reasons[0][: limit - len(more) - 3] + "..." + more
    return ""


def run(step: Callable[[], None], message: Path) -> None:
    """Run `step`; if it fails, write why to `message` and exit with 1."""
    try:
        step()
    except Refused as refused:
        print(refused, file=sys.stderr)
        _write(message, refused.reasons)
    except Exception as error:
        traceback.print_exc()
        _write(message, [f"{type(error).__name__}: {error}"])
    else:
        return
    sys.exit(1)


def _write(message: Path, reasons: Sequence[str]) -> None:
    message.parent.mkdir(parents=True, exist_ok=True)
    message.write_text(exit_message(reasons), "utf-8")
