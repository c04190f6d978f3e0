"""A bucket that existed before the stack did: adopted, and nothing in it is lost."""

import pytest

from laptop import REGION
from laptop.server import LaptopAWS
from tests.engine.conftest import MakeStack, changes

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


def test_an_existing_data_bucket_is_adopted_and_then_unchanged(
    stack: MakeStack, account: LaptopAWS
) -> None:
    """As docs/environments.md says: the setting, then the import, then `up`."""
    s3 = account.session().client("s3")
    s3.create_bucket(Bucket="acme-data", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="acme-data", Key="data/2019.csv", Body=b"precious")

    staging = stack(settings="staging")
    staging.config["perennial:data-bucket-name"] = "acme-data"
    staging.adopt(
        "aws:s3/bucket:Bucket",
        "loop-data",
        "acme-data",
        component=("perennial-mlops:index:DataStore", "loop"),
    )
    assert staging.state_holds() == ["bucket acme-data"]

    done = staging.up()
    assert done.outputs["data_bucket"] == "acme-data"
    assert not done.replaced
    assert not done.deleted
    assert "aws:s3/bucket:Bucket loop-data" not in done.created
    assert changes(staging.preview()) == {}
    assert changes(staging.refresh()) == {}
    assert s3.get_object(Bucket="acme-data", Key="data/2019.csv")["Body"].read() == b"precious"
    staging.up(force_destroy=True)  # for the end of the test
