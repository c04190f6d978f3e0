"""One laptop AWS for all tests of it: tests keep apart by the names of what they create."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from uuid import uuid4

import boto3
import pytest

from laptop.server import LaptopAWS


@pytest.fixture(scope="session")
def laptop() -> Iterator[LaptopAWS]:
    """A running laptop AWS, shared by the whole session."""
    with LaptopAWS() as aws:
        yield aws


@pytest.fixture(scope="session")
def session(laptop: LaptopAWS) -> boto3.Session:
    """A session of the account's root user."""
    return laptop.session()


@pytest.fixture
def name() -> str:
    """A name that no other test uses."""
    return f"t{uuid4().hex[:12]}"


@pytest.fixture(scope="session")
def client(session: boto3.Session) -> Callable[[str], Any]:
    """Clients of the root user by the service's name, each made once."""
    return cache(session.client)
