"""What the provider decides about a resource, through the protocol that the engine speaks."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pulumi
import pytest
from pulumi.runtime import rpc
from pulumi.runtime.proto import provider_pb2 as pb

from laptop.provider import wire
from laptop.resources import HANDLERS
from laptop.resources.handler import Cloud
from laptop.resources.shape import UNKNOWN, Properties
from tests.laptop.engine_side import SIGNATURE, EngineSide, Refused, about, provider_process, struct
from tests.laptop.resource_cases import READ_QUEUES, TRUST, World, code

BUCKET = "aws:s3/bucket:Bucket"
QUEUE = "aws:sqs/queue:Queue"
ROLE = "aws:iam/role:Role"
FUNCTION = "aws:lambda/function:Function"
OBJECT = "aws:s3/bucketObjectv2:BucketObjectv2"
PIPELINE = "aws:sagemaker/pipeline:Pipeline"
GROUP = "aws:sagemaker/modelPackageGroup:ModelPackageGroup"
MODEL = "aws:sagemaker/model:Model"
MAPPING = "aws:lambda/eventSourceMapping:EventSourceMapping"
INVOCATION = "aws:lambda/invocation:Invocation"
CONFIGURATION = "aws:sagemaker/endpointConfiguration:EndpointConfiguration"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
ENDPOINT = "aws:sagemaker/endpoint:Endpoint"


class Kept:
    """Resources that are in the engine's state, deleted when the test is over."""

    def __init__(self, provider: EngineSide, name: str) -> None:
        self._provider = provider
        self._name = name
        self._made: list[tuple[str, Properties]] = []

    def make(self, type_: str, news: Properties) -> tuple[Properties, Properties]:
        """A new resource: its outputs and inputs."""
        inputs = self._provider.check(type_, self._name, news)
        outputs = self._provider.create(type_, inputs)
        self._made.append((type_, outputs))
        return outputs, inputs

    def keep(self, type_: str, outputs: Properties) -> None:
        self._made.append((type_, outputs))

    def clear(self) -> None:
        while self._made:
            type_, outputs = self._made.pop()
            self._provider.delete(type_, outputs["id"], outputs)


@pytest.fixture
def kept(provider: EngineSide, name: str) -> Iterator[Kept]:
    made = Kept(provider, name)
    yield made
    made.clear()


class TestCheck:
    def test_an_unknown_property_is_refused_by_its_name(self, provider: EngineSide) -> None:
        found = provider.mistakes(BUCKET, "b", {"forceDestory": True, "tag": {}})
        assert found.keys() == {"forceDestory", "tag"}
        assert found["tag"] == "aws:s3/bucket:Bucket has no property 'tag': correct its name"

    @pytest.mark.parametrize(
        ("type_", "news", "path", "reason"),
        [
            (QUEUE, {"delaySeconds": "soon"}, "delaySeconds", "is a string: give a whole number"),
            (QUEUE, {"delaySeconds": 1.5}, "delaySeconds", "is a number: give a whole number"),
            (QUEUE, {"fifoQueue": "yes"}, "fifoQueue", "is a string: give true or false"),
            (QUEUE, {"name": 1}, "name", "is a number: give a string"),
            (QUEUE, {"tags": {"a": True}}, "tags.a", "is true or false: give a string"),
            (QUEUE, {"tags": ["a"]}, "tags", "is a list: give an object"),
            (
                "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
                {"bucket": "b", "rules": [{"id": "a", "status": 1}]},
                "rules[0].status",
                "is a number: give a string",
            ),
            (
                "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
                {"bucket": "b", "rules": {"id": "a"}},
                "rules",
                "is an object: give a list",
            ),
            (FUNCTION, {"role": "r", "code": "x"}, "code", "is a string: give an asset or an arch"),
        ],
    )
    def test_a_value_of_another_type_is_refused_by_its_path(
        self, provider: EngineSide, type_: str, news: Properties, path: str, reason: str
    ) -> None:
        found = provider.mistakes(type_, "it", news)
        assert found.keys() == {path}
        assert reason in found[path]

    def test_the_value_of_a_wrong_property_is_not_told_for_it_may_be_a_secret(
        self, provider: EngineSide
    ) -> None:
        found = provider.mistakes(FUNCTION, "f", {"role": "r", "s3Bucket": "b", "timeout": "hush"})
        assert found.keys() == {"timeout"}
        assert "hush" not in str(found)

    def test_every_mistake_is_told_at_once(self, provider: EngineSide) -> None:
        news = {"functionName": "f", "input": "{", "lifecycleScope": 3, "other": 1}
        assert provider.mistakes(INVOCATION, "i", news).keys() == {
            "input",
            "lifecycleScope",
            "other",
        }

    def test_a_property_that_is_missing_is_asked_for_by_name(self, provider: EngineSide) -> None:
        found = provider.mistakes("aws:iam/rolePolicy:RolePolicy", "p", {"role": "r"})
        assert found == {
            "policy": "aws:iam/rolePolicy:RolePolicy needs the property 'policy': give it"
        }

    def test_a_type_that_the_laptop_does_not_have_is_refused(self, provider: EngineSide) -> None:
        (reason,) = provider.mistakes("aws:dynamodb/table:Table", "t", {}).values()
        assert "does not know the resource type aws:dynamodb/table:Table" in reason

    @pytest.mark.parametrize(
        ("type_", "news"),
        [
            (
                FUNCTION,
                {"role": UNKNOWN, "s3Bucket": UNKNOWN, "s3Key": UNKNOWN, "timeout": UNKNOWN},
            ),
            (FUNCTION, {"role": UNKNOWN, "code": UNKNOWN, "environment": UNKNOWN}),
            (FUNCTION, {"role": "r", "code": UNKNOWN, "environment": {"variables": UNKNOWN}}),
            (FUNCTION, {"role": "r", "code": UNKNOWN, "reservedConcurrentExecutions": UNKNOWN}),
            (MAPPING, {"functionName": UNKNOWN, "eventSourceArn": UNKNOWN, "enabled": UNKNOWN}),
            (INVOCATION, {"functionName": UNKNOWN, "input": UNKNOWN, "lifecycleScope": "CRUD"}),
            (PIPELINE, {"pipelineName": "p", "pipelineDisplayName": "p", "tags": UNKNOWN}),
            (PIPELINE, {"pipelineName": UNKNOWN, "pipelineDisplayName": "p", "roleArn": UNKNOWN}),
            (QUEUE, {"redrivePolicy": UNKNOWN, "tags": {"a": UNKNOWN}}),
            (OBJECT, {"bucket": UNKNOWN, "key": UNKNOWN, "source": UNKNOWN}),
            ("aws:kms/alias:Alias", {"targetKeyId": UNKNOWN}),
            (
                "aws:sagemaker/endpointConfiguration:EndpointConfiguration",
                {"productionVariants": [UNKNOWN]},
            ),
            (
                "aws:s3/bucketVersioning:BucketVersioning",
                {"bucket": UNKNOWN, "versioningConfiguration": UNKNOWN},
            ),
        ],
    )
    def test_an_unknown_value_is_no_mistake_and_stays_unknown(
        self, provider: EngineSide, type_: str, news: Properties
    ) -> None:
        inputs = provider.check(type_, "it", news)
        for name, value in news.items():
            if value == UNKNOWN:
                assert inputs[name] == UNKNOWN
        foreseen = provider.create(type_, inputs, preview=True)
        for name, value in news.items():
            if value == UNKNOWN:
                assert foreseen[name] == UNKNOWN


class TestNames:
    def test_a_preview_and_its_update_make_up_the_same_name(self, provider: EngineSide) -> None:
        first, second = (provider.check(QUEUE, "jobs", {}) for _ in range(2))
        assert first == second
        assert provider.check(QUEUE, "jobs", {}, seed=b"other")["name"] != first["name"]

    def test_a_name_that_was_made_up_is_kept(self, provider: EngineSide) -> None:
        first = provider.check(QUEUE, "jobs", {})
        assert provider.check(QUEUE, "jobs", {}, first, seed=b"other")["name"] == first["name"]

    def test_a_name_that_the_program_takes_back_is_not_kept(self, provider: EngineSide) -> None:
        named = provider.check(QUEUE, "jobs", {"name": "mine"})
        assert provider.check(QUEUE, "jobs", {}, named)["name"] != "mine"

    def test_the_name_that_the_engine_proposes_is_taken_for_a_new_resource(
        self, provider: EngineSide
    ) -> None:
        options = pb.CheckRequest.AutonamingOptions(proposed_name="team-jobs")
        made = provider.check(QUEUE, "jobs", {}, autonaming=options)
        assert made["name"] == "team-jobs"
        options.proposed_name = "team-other"
        assert provider.check(QUEUE, "jobs", {}, made, autonaming=options)["name"] == "team-jobs"

    def test_where_no_names_are_made_up_one_is_asked_for(self, provider: EngineSide) -> None:
        options = pb.CheckRequest.AutonamingOptions(mode=pb.CheckRequest.AutonamingOptions.DISABLE)
        (failure,) = provider.checked(QUEUE, "jobs", {}, autonaming=options).failures
        assert (failure.property, "give 'name'" in failure.reason) == ("name", True)
        assert not provider.checked(QUEUE, "q", {"name": "a"}, autonaming=options).failures


class TestDiff:
    def test_each_part_that_changes_is_told_by_its_path(self, provider: EngineSide) -> None:
        old = provider.check(
            FUNCTION, "f", {"role": "r", "code": code("1"), "tags": {"a": "1", "b": "1"}}
        )
        new = provider.check(
            FUNCTION,
            "f",
            {"role": "r", "code": code("2"), "timeout": 9, "tags": {"b": "2", "c": "1"}},
            old,
        )
        diff = provider.diff(FUNCTION, "f", old, old, new)
        assert diff.detail == {
            "code": "UPDATE",
            "tags.a": "DELETE",
            "tags.b": "UPDATE",
            "tags.c": "ADD",
            "timeout": "UPDATE",
        }
        assert not diff.replaces

    def test_an_archive_is_compared_by_content_and_not_by_path(
        self, provider: EngineSide, tmp_path: Path
    ) -> None:
        checks = []
        for folder, text in (("a", "same"), ("b", "same"), ("c", "other")):
            (tmp_path / folder).write_text(text)
            archive = pulumi.AssetArchive({"m.py": pulumi.FileAsset(str(tmp_path / folder))})
            checks.append(provider.check(FUNCTION, "f", {"role": "r", "code": archive}))
        assert not provider.diff(FUNCTION, "f", checks[0], checks[0], checks[1]).changes
        assert provider.diff(FUNCTION, "f", checks[0], checks[0], checks[2]).properties == {"code"}

    def test_a_policy_in_another_spelling_is_no_change(self, provider: EngineSide) -> None:
        (statement,) = json.loads(TRUST)["Statement"]
        services = list(reversed(statement["Principal"]["Service"]))
        spelt = {**statement, "Action": ["sts:AssumeRole"], "Principal": {"Service": services}}
        document = {"Statement": spelt, "Version": "2012-10-17"}
        old = provider.check(ROLE, "r", {"assumeRolePolicy": TRUST})
        new = provider.check(ROLE, "r", {"assumeRolePolicy": json.dumps(document, indent=2)}, old)
        assert not provider.diff(ROLE, "r", old, old, new).changes
        spelt["Effect"] = "Deny"
        new = provider.check(ROLE, "r", {"assumeRolePolicy": json.dumps(document)}, old)
        assert provider.diff(ROLE, "r", old, old, new).properties == {"assumeRolePolicy"}

    def test_the_order_of_steps_is_a_change_of_a_pipeline(self, provider: EngineSide) -> None:
        news = {"pipelineName": "p", "pipelineDisplayName": "p"}
        one, other = (
            provider.check(
                PIPELINE, "p", news | {"pipelineDefinition": json.dumps({"Steps": steps})}
            )
            for steps in (["a", "b"], ["b", "a"])
        )
        assert provider.diff(PIPELINE, "p", one, one, other).changes

    def test_an_unknown_value_is_a_change_of_its_property(self, provider: EngineSide) -> None:
        old = provider.check(MAPPING, "m", {"functionName": "f", "eventSourceArn": "arn"})
        new = old | {"functionName": UNKNOWN}
        diff = provider.diff(MAPPING, "m", old, old, new)
        assert (diff.properties, diff.replaces) == ({"functionName"}, set())
        diff = provider.diff(MAPPING, "m", old, old, old | {"eventSourceArn": UNKNOWN})
        assert diff.replaces == {"eventSourceArn"}
        assert diff.detail == {"eventSourceArn": "UPDATE_REPLACE"}

    def test_what_the_program_leaves_to_aws_is_no_change(self, provider: EngineSide) -> None:
        old = provider.check(QUEUE, "q", {"policy": READ_QUEUES})
        assert not provider.diff(QUEUE, "q", old, old, provider.check(QUEUE, "q", {}, old)).changes

    def test_a_replacement_of_the_same_name_waits_until_the_old_one_is_gone(
        self, provider: EngineSide
    ) -> None:
        named = {"modelPackageGroupName": "g"}
        old = provider.check(GROUP, "g", named | {"modelPackageGroupDescription": "a"})
        new = provider.check(GROUP, "g", named | {"modelPackageGroupDescription": "b"}, old)
        diff = provider.diff(GROUP, "g", old, old, new)
        assert diff.replaces == {"modelPackageGroupDescription"}
        assert diff.delete_first

    def test_a_replacement_whose_name_is_made_up_comes_before_the_old_one_goes(
        self, provider: EngineSide
    ) -> None:
        old = provider.check(MODEL, "m", {"executionRoleArn": "a"})
        new = provider.check(MODEL, "m", {"executionRoleArn": "b"}, old)
        diff = provider.diff(MODEL, "m", old, old, new)
        assert diff.replaces == {"executionRoleArn"}
        assert not diff.delete_first


class TestPreview:
    def test_a_preview_knows_what_the_genuine_provider_knows(self, provider: EngineSide) -> None:
        inputs = provider.check(QUEUE, "q", {"tags": {"a": "b"}})
        foreseen = provider.create(QUEUE, inputs, preview=True)
        assert foreseen["name"] == inputs["name"]
        assert foreseen["tagsAll"] == {"a": "b"}
        assert {foreseen[name] for name in ("arn", "url")} == {UNKNOWN}

    def test_a_preview_refuses_what_aws_would_refuse(self, provider: EngineSide) -> None:
        inputs = provider.check(GROUP, "g", {"modelPackageGroupName": "not_allowed"})
        with pytest.raises(Refused, match=r"ModelPackageGroupName.*not_allowed"):
            provider.create(GROUP, inputs, preview=True)

    def test_an_update_promises_nothing_about_what_follows_the_code(
        self, provider: EngineSide
    ) -> None:
        role = "arn:aws:iam::123456789012:role/r"
        inputs = provider.check(FUNCTION, "f", {"role": role, "code": code("1")})
        olds = inputs | {"id": "f", "arn": "a", "codeSha256": "1", "lastModified": "then"}
        news = provider.check(FUNCTION, "f", {"role": role, "code": code("2")}, inputs)
        promised = provider.update(FUNCTION, "f", olds, inputs, news, preview=True)
        assert promised["arn"] == "a"
        assert {promised[name] for name in ("codeSha256", "lastModified")} == {UNKNOWN}


class TestDrift:
    """What is changed behind Pulumi's back is shown by a refresh, and mended by an update."""

    def mended(
        self, provider: EngineSide, type_: str, outputs: Properties, inputs: Properties
    ) -> tuple[Properties, set[str]]:
        """The outputs after refresh and update, and which properties the update changed."""
        refreshed = provider.read(type_, outputs["id"], outputs, inputs)
        assert refreshed
        diff = provider.diff(type_, outputs["id"], *refreshed, inputs)
        assert diff.changes
        assert not diff.replaces
        after = provider.update(type_, outputs["id"], *refreshed, inputs)
        again = provider.read(type_, outputs["id"], after, inputs)
        assert again
        assert not provider.diff(type_, outputs["id"], *again, inputs).changes
        return after, diff.properties

    def test_tags(self, provider: EngineSide, kept: Kept, client: Callable[[str], Any]) -> None:
        outputs, inputs = kept.make(BUCKET, {"tags": {"a": "1"}})
        client("s3").put_bucket_tagging(
            Bucket=outputs["bucket"], Tagging={"TagSet": [{"Key": "b", "Value": "2"}]}
        )
        assert self.mended(provider, BUCKET, outputs, inputs)[1] == {"tags"}
        (tag,) = client("s3").get_bucket_tagging(Bucket=outputs["bucket"])["TagSet"]
        assert tag == {"Key": "a", "Value": "1"}

    def test_tags_on_what_has_none(
        self, provider: EngineSide, kept: Kept, client: Callable[[str], Any]
    ) -> None:
        outputs, inputs = kept.make(QUEUE, {})
        client("sqs").tag_queue(QueueUrl=outputs["url"], Tags={"a": "1"})
        assert self.mended(provider, QUEUE, outputs, inputs)[1] == {"tags"}

    def test_a_setting_that_was_left_at_its_default(
        self, provider: EngineSide, kept: Kept, client: Callable[[str], Any]
    ) -> None:
        outputs, inputs = kept.make(QUEUE, {})
        client("sqs").set_queue_attributes(
            QueueUrl=outputs["url"], Attributes={"VisibilityTimeout": "77"}
        )
        after, changed = self.mended(provider, QUEUE, outputs, inputs)
        assert changed == {"visibilityTimeoutSeconds"}
        assert after["visibilityTimeoutSeconds"] == 30

    def test_the_content_of_an_object(
        self, provider: EngineSide, kept: Kept, client: Callable[[str], Any]
    ) -> None:
        bucket, _ = kept.make(BUCKET, {"forceDestroy": True})
        where = {"bucket": bucket["bucket"], "key": "k"}
        outputs, inputs = kept.make(OBJECT, where | {"source": pulumi.StringAsset("ours")})
        client("s3").put_object(Bucket=where["bucket"], Key="k", Body=b"theirs")
        assert "source" in self.mended(provider, OBJECT, outputs, inputs)[1]
        body = client("s3").get_object(Bucket=where["bucket"], Key="k")["Body"].read()
        assert body == b"ours"

    def test_a_policy_that_is_declared_in_its_role(
        self, provider: EngineSide, kept: Kept, client: Callable[[str], Any]
    ) -> None:
        policies = [{"name": "read", "policy": READ_QUEUES}]
        outputs, inputs = kept.make(ROLE, {"assumeRolePolicy": TRUST, "inlinePolicies": policies})
        client("iam").put_role_policy(
            RoleName=outputs["name"],
            PolicyName="read",
            PolicyDocument=READ_QUEUES.replace("Allow", "Deny"),
        )
        assert self.mended(provider, ROLE, outputs, inputs)[1] == {"inlinePolicies"}

    def test_what_was_deleted_is_gone_from_the_state(
        self, provider: EngineSide, kept: Kept, client: Callable[[str], Any]
    ) -> None:
        outputs, inputs = kept.make(QUEUE, {})
        client("sqs").delete_queue(QueueUrl=outputs["url"])
        assert provider.read(QUEUE, outputs["id"], outputs, inputs) is None

    def test_a_policy_of_a_resource_of_its_own_is_none_of_the_queue(
        self, provider: EngineSide, kept: Kept
    ) -> None:
        outputs, inputs = kept.make(QUEUE, {})
        kept.make(
            "aws:sqs/queuePolicy:QueuePolicy",
            {"queueUrl": outputs["url"], "policy": queue_policy(outputs["arn"])},
        )
        refreshed = provider.read(QUEUE, outputs["id"], outputs, inputs)
        assert refreshed
        assert not provider.diff(QUEUE, outputs["id"], *refreshed, inputs).changes


def queue_policy(arn: str) -> str:
    statement = {
        "Sid": "Events",
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class TestFailures:
    def test_what_aws_refuses_is_one_sentence_and_leaves_nothing(
        self, provider: EngineSide, kept: Kept, name: str
    ) -> None:
        kept.make(GROUP, {"modelPackageGroupName": name})
        with pytest.raises(Refused, match="already exists") as caught:
            provider.create(GROUP, provider.check(GROUP, "g", {"modelPackageGroupName": name}))
        assert str(caught.value).startswith(f"{GROUP} it: ")
        assert "\n" not in str(caught.value)
        assert caught.value.code.name == "FAILED_PRECONDITION"
        assert caught.value.kept is None

    def test_what_was_made_halfway_is_kept_and_finished_by_the_next_update(
        self, provider: EngineSide, kept: Kept, name: str
    ) -> None:
        news = {
            "assumeRolePolicy": TRUST,
            "name": name,
            "inlinePolicies": [{"name": "read", "policy": "{}"}],
        }
        inputs = provider.check(ROLE, "r", news)
        with pytest.raises(Refused) as caught:
            provider.create(ROLE, inputs)
        olds = caught.value.kept
        assert olds
        kept.keep(ROLE, olds)
        assert (caught.value.id, olds["name"]) == (name, name)

        # The engine keeps the inputs as declared: only what exists shows what is left to do.
        assert provider.diff(ROLE, name, olds, inputs, inputs).properties == {"inlinePolicies"}
        policies = [{"name": "read", "policy": READ_QUEUES}]
        news = provider.check(ROLE, "r", news | {"inlinePolicies": policies}, inputs)
        refreshed = provider.read(ROLE, name, olds, inputs)
        assert refreshed
        for before in ((olds, inputs), refreshed):
            diff = provider.diff(ROLE, name, *before, news)
            assert diff.properties == {"inlinePolicies"}
            assert not diff.replaces
        after = provider.update(ROLE, name, olds, inputs, news)
        kept.keep(ROLE, after)
        assert after["inlinePolicies"] == policies
        assert not provider.diff(ROLE, name, after, news, news).changes

    def test_the_made_up_name_of_what_was_made_halfway_is_kept_after_a_refresh(
        self, provider: EngineSide, kept: Kept
    ) -> None:
        wrong = {"assumeRolePolicy": TRUST, "inlinePolicies": [{"name": "read", "policy": "{}"}]}
        inputs = provider.check(ROLE, "r", wrong)
        with pytest.raises(Refused) as caught:
            provider.create(ROLE, inputs)
        olds = caught.value.kept
        assert olds
        kept.keep(ROLE, olds)
        refreshed = provider.read(ROLE, olds["id"], olds, inputs)
        assert refreshed
        news = provider.check(ROLE, "r", {"assumeRolePolicy": TRUST}, refreshed[1], seed=b"another")
        assert news["name"] == olds["name"]

    def test_an_endpoint_that_never_served_is_made_anew(
        self, provider: EngineSide, session: boto3.Session, name: str
    ) -> None:
        world = World(Cloud(session), name)
        world.build(("bucket", "reader", "artifact", "served model", "configuration"))
        cloud, bucket = world.cloud, world.made["bucket"]["bucket"]
        cloud.client("s3").put_object(Bucket=bucket, Key="model.tar.gz", Body=b"no archive")
        news = {"endpointConfigName": world.made["configuration"]["name"], "name": name}
        inputs = provider.check(ENDPOINT, "e", news)
        with pytest.raises(Refused, match="the endpoint is Failed") as caught:
            provider.create(ENDPOINT, inputs)
        olds = caught.value.kept
        assert olds
        diff = provider.diff(ENDPOINT, name, olds, inputs, inputs)
        assert diff.replaces == {"name"}
        assert diff.delete_first
        provider.delete(ENDPOINT, name, olds)
        world.clear()

    def test_an_id_that_is_none_is_told_with_the_form_of_one(self, provider: EngineSide) -> None:
        with pytest.raises(Refused, match=r"'p' is no id of .*: give \{role\}:\{name\}"):
            provider.read("aws:iam/rolePolicy:RolePolicy", "p")

    def test_what_is_not_there_cannot_be_adopted(self, provider: EngineSide, name: str) -> None:
        assert provider.read(BUCKET, name) is None


class TestConfiguration:
    def test_region_and_endpoints_come_from_the_configuration(
        self, environment: dict[str, str]
    ) -> None:
        bare = {k: v for k, v in environment.items() if "KEY" not in k and "AWS_" not in k}
        url = environment["AWS_ENDPOINT_URL"]
        with provider_process(bare) as (_, port):
            side = EngineSide(
                port,
                region="eu-west-1",
                accessKey="test",
                secretKey="test",
                endpoints=json.dumps([{"sts": url, "cloudwatchlogs": url}]),
            )
            assert side.invoke("aws:index/getRegion:getRegion")["name"] == "eu-west-1"
            group = side.read("aws:cloudwatch/logGroup:LogGroup", "no-such-group")
            assert group is None  # the endpoint was asked
            side.close()

    def test_two_providers_of_one_program_keep_apart(self, environment: dict[str, str]) -> None:
        with provider_process(environment) as (_, port):
            sides = [EngineSide(port, region=region) for region in ("eu-west-1", "us-east-1")]
            regions = [side.invoke("aws:index/getRegion:getRegion")["name"] for side in sides]
            assert regions == ["eu-west-1", "us-east-1"]
            for side in sides:
                side.close()

    @pytest.mark.parametrize(
        ("config", "path", "reason"),
        [
            ({"regoin": "eu-west-1"}, "regoin", "has no setting 'regoin'"),
            ({"defaultTags": "{}"}, "defaultTags", "does not act on 'aws:defaultTags'"),
            ({"endpoints": "http://x"}, "endpoints", "no list of services"),
        ],
    )
    def test_a_setting_that_would_not_be_followed_is_refused(
        self, provider: EngineSide, config: Properties, path: str, reason: str
    ) -> None:
        answer = provider.stub.CheckConfig(pb.CheckRequest(news=struct(config)))
        (failure,) = answer.failures
        assert failure.property == path
        assert reason in failure.reason

    def test_another_region_makes_everything_anew(self, provider: EngineSide) -> None:
        request = pb.DiffRequest(olds=struct({"region": "a"}), news=struct({"region": "b"}))
        assert list(provider.stub.DiffConfig(request).replaces) == ["region"]
        request = pb.DiffRequest(olds=struct({"token": "a"}), news=struct({"token": "b"}))
        assert not provider.stub.DiffConfig(request).replaces


class TestSecrets:
    def test_a_secret_stays_one_in_whatever_repeats_it(
        self, provider: EngineSide, kept: Kept
    ) -> None:
        news = {"tags": {"a": secret("hush")}, "namePrefix": "s-"}
        answer = provider.checked(QUEUE, "q", news)
        assert wire.secrets(answer.inputs) == {"tags"}
        assert wire.read(answer.inputs)["tags"] == {"a": "hush"}
        request = pb.CreateRequest(properties=answer.inputs, **about(QUEUE))
        made = provider.stub.Create(request)
        outputs, inputs = made.properties, answer.inputs
        kept.keep(QUEUE, wire.read(outputs))
        assert wire.secrets(outputs) == {"tags", "tagsAll"}
        request = pb.ReadRequest(id=made.id, properties=outputs, inputs=inputs, **about(QUEUE))
        read = provider.stub.Read(request)
        assert wire.secrets(read.properties) == {"tags", "tagsAll"}
        assert wire.secrets(read.inputs) == {"tags"}
        assert read.properties == outputs

    def test_a_call_with_a_secret_in_it_has_a_secret_result(self, provider: EngineSide) -> None:
        news = {"functionName": "f", "input": secret('{"key": "hush"}')}
        inputs = provider.checked(INVOCATION, "i", news).inputs
        request = pb.CreateRequest(properties=inputs, preview=True, **about(INVOCATION))
        assert wire.secrets(provider.stub.Create(request).properties) == {"input", "result"}

    def test_an_unchanged_secret_is_no_change(self, provider: EngineSide) -> None:
        plain = provider.check(QUEUE, "q", {"tags": {"a": "hush"}})
        assert not provider.diff(
            QUEUE, "q", plain, plain, plain | {"tags": secret(plain["tags"])}
        ).changes


def secret(value: Any) -> Properties:
    """A value as the engine marks it."""
    return {SIGNATURE: rpc._special_secret_sig, "value": value}


def test_the_functions_of_the_provider_are_answered(provider: EngineSide) -> None:
    assert provider.invoke("aws:index/getPartition:getPartition")["partition"] == "aws"
    with pytest.raises(Refused, match="does not know the function aws:ec2/getVpc:getVpc"):
        provider.invoke("aws:ec2/getVpc:getVpc")


def test_every_type_says_what_it_leaves_to_aws_in_its_own_names() -> None:
    for handler in HANDLERS.values():
        known = handler.properties()
        assert handler.computed | handler.unread <= known, handler.type
        assert {name for names in handler.digests.values() for name in names} <= handler.hidden()
        assert {name for names in handler.follows.values() for name in names} <= known
