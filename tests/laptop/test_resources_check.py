"""What is decided about a resource without AWS: its properties, its name, its content."""

import re
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laptop.errors import LaptopError
from laptop.resources import HANDLERS, handler_of, invoke, provider
from laptop.resources.assets import content
from laptop.resources.handler import Handler, Naming, Where
from laptop.resources.shape import Shape, from_aws, to_aws

WHERE = Where("123456789012", "eu-west-1")
QUEUE = HANDLERS["aws:sqs/queue:Queue"]
BUCKET = HANDLERS["aws:s3/bucket:Bucket"]
LIFECYCLE = HANDLERS["aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"]


def paths(shape: Shape, prefix: str = "") -> list[str]:
    return [
        path
        for name, field in shape.items()
        for path in (prefix + name, *(paths(field.of, f"{prefix}{name}.") if field.of else ()))
    ]


@pytest.mark.parametrize("known", HANDLERS.values(), ids=HANDLERS)
def test_a_handler_knows_only_what_the_provider_has(known: Handler) -> None:
    assert provider.resource_class(known.type)
    everything = {*paths(known.shape), *({"tags"} if known.tagging else ())}
    assert [path for path in everything if not provider.has_property(known.type, path)] == []


@pytest.mark.parametrize("known", HANDLERS.values(), ids=HANDLERS)
def test_what_has_no_effect_on_the_laptop_is_known_and_has_a_reason(known: Handler) -> None:
    assert known.no_effect.keys() <= {*paths(known.shape)}
    assert all(known.no_effect.values())


@pytest.mark.parametrize("known", HANDLERS.values(), ids=HANDLERS)
def test_what_identifies_and_replaces_is_known(known: Handler) -> None:
    assert known.replaces <= known.shape.keys()
    assert known.defaults.keys() <= known.shape.keys()
    assert set(known.key) <= {*known.shape, *known.observes.values()}
    # A change of identity without a replacement would lose the old resource.
    assert set(known.key) - set(known.observes.values()) <= known.replaces | {"input"}


def test_a_type_that_the_laptop_does_not_know_is_told_from_one_that_does_not_exist() -> None:
    with pytest.raises(LaptopError, match=r"laptop AWS does not know .* aws:dynamodb/table:Table"):
        handler_of("aws:dynamodb/table:Table")
    with pytest.raises(LaptopError, match="pulumi_aws has no resource type 'aws:s3/bucket:Buket'"):
        handler_of("aws:s3/bucket:Buket")


def test_a_property_that_the_laptop_does_not_know_is_told_from_a_misspelt_one() -> None:
    with pytest.raises(LaptopError, match="does not know the property 'acl' of aws:s3/bucket"):
        BUCKET.check("b", {"acl": "private"})
    with pytest.raises(LaptopError, match="aws:s3/bucket:Bucket has no property 'forceDestory'"):
        BUCKET.check("b", {"forceDestory": True})


def test_a_misspelt_property_deep_inside_is_named_by_its_path() -> None:
    rules = [{"id": "a", "status": "Enabled"}, {"id": "b", "filter": {"prefx": "data/"}}]
    with pytest.raises(LaptopError, match=r"no property 'rules\[1\]\.filter\.prefx'"):
        LIFECYCLE.check("l", {"bucket": "b", "rules": rules})


def test_a_function_of_the_provider_that_is_unknown_is_refused() -> None:
    unused: Any = None
    with pytest.raises(LaptopError, match="does not know the function aws:ec2/getVpc:getVpc"):
        invoke(unused, "aws:ec2/getVpc:getVpc", {})


def test_a_resource_without_a_name_gets_its_logical_name_and_seven_hexadecimal_digits() -> None:
    assert re.fullmatch(r"jobs-[0-9a-f]{7}", QUEUE.check("jobs", {})["name"])
    assert re.fullmatch(r"data-[0-9a-f]{7}", BUCKET.check("Data", {})["bucket"])


def test_a_prefix_is_followed_by_twenty_six_digits() -> None:
    assert re.fullmatch(r"a-[0-9a-f]{26}", QUEUE.check("jobs", {"namePrefix": "a-"})["name"])


def test_a_name_that_was_made_up_is_kept_until_the_prefix_changes() -> None:
    first = QUEUE.check("jobs", {})
    assert QUEUE.check("jobs", {}, first) == first
    prefixed = QUEUE.check("jobs", {"namePrefix": "a-"}, first)
    assert prefixed["name"] != first["name"]
    assert QUEUE.check("jobs", {"namePrefix": "a-"}, prefixed) == prefixed


@given(st.text("abc", min_size=1, max_size=100), st.integers(10, 80))
def test_a_made_up_name_is_never_longer_than_aws_allows(logical: str, longest: int) -> None:
    naming = Naming("name", longest)
    if len(logical) + 8 > longest:
        with pytest.raises(LaptopError, match=f"AWS allows {longest}"):
            naming.name(logical, {})
    else:
        assert len(naming.name(logical, {})) == len(logical) + 8


files = st.dictionaries(st.text("abc/", min_size=1).filter(lambda n: "//" not in n), st.text())


@given(files.filter(bool), st.randoms())
def test_equal_files_give_equal_zips_in_whatever_order(
    given: dict[str, str], shuffler: Any
) -> None:
    items = list(given.items())
    shuffler.shuffle(items)
    one, other = (
        content(pulumi.AssetArchive({name: pulumi.StringAsset(text) for name, text in side}))
        for side in (given.items(), items)
    )
    assert one == other
    with zipfile.ZipFile(BytesIO(one)) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == given
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


def test_a_folder_and_an_archive_of_its_files_are_the_same_zip(tmp_path: Path) -> None:
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "a.py").write_text("a")
    (tmp_path / "b.py").write_text("b")
    inner = pulumi.AssetArchive({"a.py": pulumi.FileAsset(str(tmp_path / "runtime" / "a.py"))})
    archive = pulumi.AssetArchive({"runtime": inner, "b.py": pulumi.StringAsset("b")})
    assert content(pulumi.FileArchive(str(tmp_path))) == content(archive)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(LaptopError, match=r"bundle\.tar\.gz cannot be read \(No such file"):
        content(pulumi.FileAsset(str(tmp_path / "bundle.tar.gz")))


def test_an_empty_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LaptopError, match="without a file"):
        content(pulumi.FileArchive(str(tmp_path)))


def test_a_changed_file_is_a_changed_property(tmp_path: Path) -> None:
    source = tmp_path / "source"
    checks = []
    for text in ("one", "two", "one"):
        source.write_text(text)
        inputs = {"bucket": "b", "key": "k", "source": pulumi.FileAsset(str(source))}
        checks.append(HANDLERS["aws:s3/bucketObjectv2:BucketObjectv2"].check("o", inputs))
    assert checks[0] != checks[1]
    assert checks[0] == checks[2]


def test_an_object_takes_one_body() -> None:
    with pytest.raises(LaptopError, match="takes one of"):
        HANDLERS["aws:s3/bucketObjectv2:BucketObjectv2"].check(
            "o", {"bucket": "b", "key": "k", "content": "a", "source": pulumi.StringAsset("b")}
        )


def test_the_tables_translate_there_and_back() -> None:
    endpoint = {
        "name": "e",
        "endpointConfigName": "c",
        "deploymentConfig": {
            "autoRollbackConfiguration": {"alarms": [{"alarmName": "errors"}]},
            "blueGreenUpdatePolicy": {
                "terminationWaitInSeconds": 60,
                "trafficRoutingConfiguration": {
                    "type": "CANARY",
                    "waitIntervalInSeconds": 300,
                    "canarySize": {"type": "CAPACITY_PERCENT", "value": 10},
                },
            },
        },
    }
    model = {
        "name": "m",
        "primaryContainer": {
            "image": "i",
            "modelDataSource": {
                "s3DataSources": [
                    {"s3Uri": "s3://b/m/", "s3DataType": "S3Prefix", "compressionType": "None"}
                ]
            },
        },
    }
    alarm = {
        "name": "a",
        "metricQueries": [
            {
                "id": "m1",
                "metric": {
                    "metricName": "M",
                    "period": 60,
                    "stat": "Sum",
                    "dimensions": {"L": "x"},
                },
            }
        ],
    }
    for type_, properties in (
        ("aws:sagemaker/endpoint:Endpoint", endpoint),
        ("aws:sagemaker/model:Model", model),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", alarm),
    ):
        shape = HANDLERS[type_].shape
        assert from_aws(shape, to_aws(shape, properties)) == properties


def test_the_request_of_a_queue_has_the_spelling_of_sqs() -> None:
    inputs = QUEUE.check("q", {"name": "q", "sqsManagedSseEnabled": True, "tags": {"a": "b"}})
    (call,) = QUEUE.creation(WHERE, inputs)
    assert call == (
        "sqs",
        "CreateQueue",
        {
            "QueueName": "q",
            "Attributes": {
                "DelaySeconds": "0",
                "MaximumMessageSize": "262144",
                "MessageRetentionPeriod": "345600",
                "ReceiveMessageWaitTimeSeconds": "0",
                "SqsManagedSseEnabled": "true",
                "VisibilityTimeout": "30",
            },
            "tags": {"a": "b"},
        },
    )
