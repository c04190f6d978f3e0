"""The steps as real processes in the step environment, against S3 and a model registry."""


import pytest

from tests.pipelines.conftest import Cloud, Ended, csv, rows

FILES = {f"data/part-{number}.csv": csv(rows(200, seed=number)) for number in range(3)}


@pytest.fixture(scope="module")
def prepared(cloud: Cloud) -> Ended:
    return cloud.prepare(cloud.snapshot(FILES))


def test_prepare(prepared: Ended) -> None:
    print(prepared.log)
    assert prepared.code == 0, prepared.log
