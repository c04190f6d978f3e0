"""Log groups on the laptop AWS are what CloudWatch Logs says they are."""

from collections.abc import Callable
from typing import Any

import pytest

from laptop import ACCOUNT, REGION

KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def test_a_log_group_is_given_a_key_and_has_it_taken_away(
    client: Callable[[str], Any], name: str
) -> None:
    logs = client("logs")
    logs.create_log_group(logGroupName=name)

    def key() -> Any:
        (group,) = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return group.get("kmsKeyId")

    assert key() is None
    logs.associate_kms_key(logGroupName=name, kmsKeyId=KEY)
    assert key() == KEY
    logs.disassociate_kms_key(logGroupName=name)
    assert key() is None


@pytest.mark.parametrize(
    ("operation", "more"), [("associate_kms_key", {"kmsKeyId": KEY}), ("disassociate_kms_key", {})]
)
def test_a_log_group_that_does_not_exist_has_no_key(
    client: Callable[[str], Any], name: str, operation: str, more: dict[str, str]
) -> None:
    logs = client("logs")
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        getattr(logs, operation)(logGroupName=name, **more)
