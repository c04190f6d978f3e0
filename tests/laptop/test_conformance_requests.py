"""Requests are counted by who asked and for what, unless IAM refuses them."""

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from laptop.server import LaptopAWS


def test_the_requests_of_a_role_are_told(
    laptop: LaptopAWS,
    role: Callable[..., str],
    acting_as: Callable[[str, str], Any],
    bucket: str,
    name: str,
) -> None:
    arn = role({"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"})
    s3, sagemaker = acting_as(arn, "s3"), acting_as(arn, "sagemaker")
    for _ in range(2):
        s3.list_objects_v2(Bucket=bucket)
    with pytest.raises(ClientError):
        sagemaker.list_pipelines()
    with urllib.request.urlopen(f"{laptop.endpoint_url}/_laptop/requests") as answer:  # noqa: S310  # loopback
        counts = json.load(answer)
    (asked,) = [counts[who] for who in counts if f":assumed-role/{name}/" in who]
    assert asked == {"s3:ListObjectsV2": 2}
