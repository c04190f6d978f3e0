"""The model registry: versions, approval, and what guards a group."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from laptop.errors import AwsError
from tests.laptop.sagemaker_world import World, world


@pytest.fixture
def aws(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "work") as it:
        it.call("CreateModelPackageGroup", ModelPackageGroupName="churn")
        yield it


def register(aws: World, **more: object) -> str:
    response = aws.call("CreateModelPackage", ModelPackageGroupName="churn", **more)
    return str(response["ModelPackageArn"])


def versions(aws: World, **request: object) -> list[int]:
    listed = aws.call("ListModelPackages", ModelPackageGroupName="churn", **request)
    return [package["ModelPackageVersion"] for package in listed["ModelPackageSummaryList"]]


def test_versions_count_up_and_are_never_given_out_again(aws: World) -> None:
    first, second = register(aws), register(aws)
    assert first.endswith(":model-package/churn/1")
    aws.call("DeleteModelPackage", ModelPackageName=second)
    assert register(aws).endswith("/3")
    assert versions(aws) == [1, 3]


def test_a_package_waits_for_approval_unless_it_says_otherwise(aws: World) -> None:
    described = aws.call("DescribeModelPackage", ModelPackageName=register(aws))
    assert described["ModelApprovalStatus"] == "PendingManualApproval"
    assert described["ModelPackageStatus"] == "Completed"


def test_packages_are_filtered_by_approval_sorted_and_paged(aws: World) -> None:
    for _ in range(5):
        register(aws)
    for number in (2, 4):
        aws.call(
            "UpdateModelPackage",
            ModelPackageArn=aws.sagemaker._account.arn("model-package", f"churn/{number}"),
            ModelApprovalStatus="Approved",
        )
    assert versions(aws, ModelApprovalStatus="Approved") == [2, 4]
    assert versions(aws, ModelApprovalStatus="Approved", SortOrder="Descending") == [4, 2]
    first = aws.call("ListModelPackages", ModelPackageGroupName="churn", MaxResults=2)
    assert versions(aws, MaxResults=3, NextToken=first["NextToken"]) == [3, 4, 5]
    with pytest.raises(AwsError, match="NextToken"):
        versions(aws, NextToken="made up")


def test_approval_and_metadata_are_updated_and_told_as_an_event(aws: World) -> None:
    arn = register(aws, CustomerMetadataProperties={"roc_auc": "0.9", "old": "x"})
    aws.call(
        "UpdateModelPackage",
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="looks right",
        CustomerMetadataProperties={"approved_by": "me"},
        CustomerMetadataPropertiesToRemove=["old"],
    )
    package = aws.call("DescribeModelPackage", ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["CustomerMetadataProperties"] == {"roc_auc": "0.9", "approved_by": "me"}
    aws.sagemaker._bus.close()
    assert [kind for kind, _, _ in aws.events] == ["SageMaker Model Package State Change"] * 2
    _, detail, resources = aws.events[-1]
    assert resources == [arn]
    assert detail["ModelPackageGroupName"] == "churn"
    assert detail["ModelPackageVersion"] == 1
    assert detail["ModelApprovalStatus"] == "Approved"
    assert detail["LastModifiedTime"].endswith("Z")


def test_the_same_client_token_registers_one_version(aws: World) -> None:
    assert register(aws, ClientToken="t" * 32) == register(aws, ClientToken="t" * 32)
    assert versions(aws) == [1]


def test_a_group_that_holds_packages_is_not_deleted(aws: World) -> None:
    arn = register(aws)
    with pytest.raises(AwsError, match="still holds 1 model packages") as caught:
        aws.call("DeleteModelPackageGroup", ModelPackageGroupName="churn")
    assert caught.value.code == "ConflictException"
    aws.call("DeleteModelPackage", ModelPackageName=arn)
    aws.call("DeleteModelPackageGroup", ModelPackageGroupName="churn")
    assert aws.call("ListModelPackageGroups")["ModelPackageGroupSummaryList"] == []


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("DescribeModelPackageGroup", {"ModelPackageGroupName": "none"}),
        ("DeleteModelPackageGroup", {"ModelPackageGroupName": "none"}),
        ("ListModelPackages", {"ModelPackageGroupName": "none"}),
        ("CreateModelPackage", {"ModelPackageGroupName": "none"}),
        ("DescribeModelPackage", {"ModelPackageName": "churn/9"}),
        ("DeleteModelPackage", {"ModelPackageName": "churn/9"}),
    ],
)
def test_what_does_not_exist_is_said_to(
    aws: World, operation: str, request_: dict[str, str]
) -> None:
    with pytest.raises(AwsError, match="does not exist") as caught:
        aws.call(operation, **request_)
    assert caught.value.code == "ValidationException"


def test_a_group_is_described_by_name_and_by_arn(aws: World) -> None:
    by_name = aws.call("DescribeModelPackageGroup", ModelPackageGroupName="churn")
    arn = by_name["ModelPackageGroupArn"]
    assert aws.call("DescribeModelPackageGroup", ModelPackageGroupName=arn) == by_name
    with pytest.raises(AwsError, match="already exists"):
        aws.call("CreateModelPackageGroup", ModelPackageGroupName="churn")


def test_tags_are_added_listed_and_removed(aws: World) -> None:
    arn = aws.call("DescribeModelPackageGroup", ModelPackageGroupName="churn")[
        "ModelPackageGroupArn"
    ]
    added = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert aws.call("AddTags", ResourceArn=arn, Tags=added) == {"Tags": added}
    aws.call("DeleteTags", ResourceArn=arn, TagKeys=["a"])
    assert aws.call("ListTags", ResourceArn=arn) == {"Tags": added[1:]}
    many = [{"Key": str(number), "Value": ""} for number in range(50)]
    with pytest.raises(AwsError, match="51 tags"):
        aws.call("AddTags", ResourceArn=arn, Tags=many)
    with pytest.raises(AwsError, match="Could not find resource"):
        aws.call("ListTags", ResourceArn=arn + "x")


@pytest.mark.parametrize(
    ("operation", "request_", "resource"),
    [
        ("StartPipelineExecution", {"PipelineName": "loop"}, "pipeline/loop"),
        (
            "StopPipelineExecution",
            {"PipelineExecutionArn": "arn:aws:sagemaker:eu-west-1:123456789012:pipeline/p/x"},
            "pipeline/p/x",
        ),
        ("ListModelPackages", {"ModelPackageGroupName": "churn"}, "model-package/churn/*"),
        ("CreateModelPackage", {"ModelPackageGroupName": "churn"}, "model-package-group/churn"),
        ("DescribeModelPackage", {"ModelPackageName": "churn/1"}, "model-package/churn/1"),
        ("UpdateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c"}, "endpoint/e"),
        ("CreateEndpointConfig", {"EndpointConfigName": "c"}, "endpoint-config/c"),
        ("InvokeEndpoint", {"EndpointName": "e"}, "endpoint/e"),
        ("CreateTrainingJob", {"TrainingJobName": "t"}, "training-job/t"),
    ],
)
def test_iam_judges_a_request_on_the_resource_that_it_names(
    aws: World, operation: str, request_: dict[str, str], resource: str
) -> None:
    expected = f"arn:aws:sagemaker:eu-west-1:123456789012:{resource}"
    assert aws.sagemaker.resource_arn(operation, request_) == expected
    assert aws.sagemaker.resource_arn("ListPipelines", {"PipelineNamePrefix": "x"}) == "*"


def test_an_operation_that_it_does_not_have_is_named(aws: World) -> None:
    assert "CreatePipeline" in aws.sagemaker.operations
    with pytest.raises(AwsError, match="has no CreateDomain"):
        aws.sagemaker.call("CreateDomain", {})
