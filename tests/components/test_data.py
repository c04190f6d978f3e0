"""DataStore: nothing that a model needs is lost, and nobody else reads it."""

from typing import Any

import pytest

from components import DataStore
from tests.conftest import Deploy, Engine, Refusal

BOTH = ["churn-data", "churn-artifacts"]


@pytest.fixture(scope="module")
def engine(deploy: Deploy) -> Engine:
    return deploy(lambda: DataStore("churn", {}))


@pytest.mark.parametrize("bucket", BOTH)
def test_a_bucket_is_private(engine: Engine, bucket: str) -> None:
    block = engine.one("BucketPublicAccessBlock", bucket).inputs
    assert block.pop("bucket") == f"{bucket}-0a1b2c3"
    assert block == dict.fromkeys(
        ["blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"], True
    )
    ownership = engine.one("BucketOwnershipControls", bucket).inputs["rule"]
    assert ownership == {"objectOwnership": "BucketOwnerEnforced"}


@pytest.mark.parametrize("bucket", BOTH)
def test_a_bucket_refuses_requests_without_tls(engine: Engine, bucket: str) -> None:
    (statement,) = engine.one("BucketPolicy", bucket).json("policy")["Statement"]
    arn = f"arn:aws:s3:::{bucket}-0a1b2c3"
    assert statement == {
        "Sid": "OnlyOverTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


@pytest.mark.parametrize("bucket", BOTH)
def test_a_bucket_keeps_every_version_and_tells_eventbridge(engine: Engine, bucket: str) -> None:
    versioning = engine.one("BucketVersioning", bucket).inputs["versioningConfiguration"]
    assert versioning == {"status": "Enabled"}
    assert engine.one("BucketNotification", bucket).inputs["eventbridge"] is True


def test_without_a_key_encryption_is_left_to_s3_which_always_encrypts(engine: Engine) -> None:
    assert not engine.all("BucketServerSideEncryptionConfiguration")


@pytest.mark.parametrize("bucket", BOTH)
def test_a_bucket_is_encrypted_with_the_key_that_is_given(deploy: Deploy, bucket: str) -> None:
    engine = deploy(lambda: DataStore("churn", {"kms_key_arn": "arn:aws:kms:::key/k"}))
    (rule,) = engine.one("BucketServerSideEncryptionConfiguration", bucket).inputs["rules"]
    assert rule == {
        "applyServerSideEncryptionByDefault": {
            "sseAlgorithm": "aws:kms",
            "kmsMasterKeyId": "arn:aws:kms:::key/k",
        },
        "bucketKeyEnabled": True,
    }


def lifecycle(engine: Engine, bucket: str) -> dict[str, Any]:
    rules = engine.one("BucketLifecycleConfiguration", bucket).inputs["rules"]
    assert all(rule["status"] == "Enabled" for rule in rules)
    return {rule["id"]: rule for rule in rules}


def test_no_version_of_the_data_is_ever_removed_by_default(engine: Engine) -> None:
    assert list(lifecycle(engine, "churn-data")) == ["drop-abandoned-uploads"]


def test_no_object_that_is_current_expires(engine: Engine) -> None:
    for bucket in BOTH:
        for rule in lifecycle(engine, bucket).values():
            assert "expiration" not in rule


def test_of_the_artifacts_only_overwritten_state_is_forgotten(engine: Engine) -> None:
    rules = lifecycle(engine, "churn-artifacts")
    assert rules.keys() == {"drop-abandoned-uploads", "superseded-state"}
    assert rules["superseded-state"]["filter"] == {"prefix": "state/"}


def test_superseded_data_goes_when_told_so(deploy: Deploy) -> None:
    engine = deploy(lambda: DataStore("churn", {"superseded_data_days": 400}))
    rule = lifecycle(engine, "churn-data")["superseded-data"]
    assert rule["filter"] == {"prefix": "data/"}
    assert rule["noncurrentVersionExpiration"] == {"noncurrentDays": 400}


def test_rules_about_versions_wait_for_versioning(engine: Engine) -> None:
    for bucket in BOTH:
        versioning = engine.one("BucketVersioning", bucket).urn
        assert versioning in engine.one("BucketLifecycleConfiguration", bucket).depends_on


def test_buckets_are_neither_protected_nor_emptied_by_default(engine: Engine) -> None:
    for bucket in engine.all("Bucket"):
        assert not bucket.protect
        assert bucket.inputs["forceDestroy"] is False


def test_buckets_are_protected_when_told_so(deploy: Deploy) -> None:
    engine = deploy(lambda: DataStore("churn", {"protect": True}))
    assert [bucket.protect for bucket in engine.all("Bucket")] == [True, True]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        ({"protect": True, "force_destroy": True}, "protect and force_destroy are both true"),
        ({"superseded_data_days": 0}, "superseded_data_days is 0, and it must be at least 1"),
        ({"superseded_data_days": 1.5}, "must be a whole number"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_built(
    refusal: Refusal, args: Any, sentence: str
) -> None:
    assert sentence in refusal(lambda: DataStore("churn", args))


@pytest.mark.parametrize("given", [{}, {"data_bucket_name": ""}])
def test_the_data_bucket_is_named_by_the_engine_unless_it_is_told(
    deploy: Deploy, given: Any
) -> None:
    assert "bucket" not in deploy(lambda: DataStore("churn", given)).one("Bucket", BOTH[0]).inputs


def test_the_data_bucket_has_the_name_that_is_given_so_that_one_that_exists_can_be_adopted(
    deploy: Deploy,
) -> None:
    engine = deploy(lambda: DataStore("churn", {"data_bucket_name": "acme-data"}))
    data, artifacts = engine.one("Bucket", BOTH[0]), engine.one("Bucket", BOTH[1])
    assert data.inputs["bucket"] == "acme-data"
    assert "bucket" not in artifacts.inputs
    assert engine.one("BucketVersioning", BOTH[0]).inputs["bucket"] == "acme-data"
