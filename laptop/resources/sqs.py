"""Queues of Amazon SQS."""

from typing import Any, ClassVar

from botocore.exceptions import ClientError

from .handler import Call, Cloud, Handler, Naming, Put, Tagging, Where, is_gone
from .shape import Field, Properties, Shape, from_aws, own, to_aws


def _number(aws: str) -> Field:
    return Field(aws, encode=str, decode=int)


def _flag(aws: str) -> Field:
    return Field(aws, encode=lambda value: str(value).lower(), decode=lambda text: text == "true")


# SetQueueAttributes: every attribute is a string.
_ATTRIBUTES: Shape = {
    "contentBasedDeduplication": _flag("ContentBasedDeduplication"),
    "deduplicationScope": Field("DeduplicationScope"),
    "delaySeconds": _number("DelaySeconds"),
    "fifoQueue": _flag("FifoQueue"),
    "fifoThroughputLimit": Field("FifoThroughputLimit"),
    "kmsDataKeyReusePeriodSeconds": _number("KmsDataKeyReusePeriodSeconds"),
    "kmsMasterKeyId": Field("KmsMasterKeyId"),
    "maxMessageSize": _number("MaximumMessageSize"),
    "messageRetentionSeconds": _number("MessageRetentionPeriod"),
    "policy": Field("Policy"),
    "receiveWaitTimeSeconds": _number("ReceiveMessageWaitTimeSeconds"),
    "redriveAllowPolicy": Field("RedriveAllowPolicy"),
    "redrivePolicy": Field("RedrivePolicy"),
    "sqsManagedSseEnabled": _flag("SqsManagedSseEnabled"),
    "visibilityTimeoutSeconds": _number("VisibilityTimeout"),
}

_RESET: dict[str, Any] = {
    # What an attribute goes back to when the program no longer sets it; "" removes a document.
    "kmsMasterKeyId": "",
    "policy": "",
    "redriveAllowPolicy": "",
    "redrivePolicy": "",
}


class Queue(Handler):
    """``aws:sqs/queue:Queue``; the id is the queue's URL."""

    type = "aws:sqs/queue:Queue"
    shape: ClassVar[Shape] = {"name": Field("QueueName"), **own("namePrefix"), **_ATTRIBUTES}
    key = ("name",)
    replaces = frozenset({"name", "namePrefix", "fifoQueue"})
    defaults: ClassVar[Properties] = {
        "delaySeconds": 0,
        "maxMessageSize": 262144,
        "messageRetentionSeconds": 345600,
        "receiveWaitTimeSeconds": 0,
        "visibilityTimeoutSeconds": 30,
    }
    no_effect: ClassVar[dict[str, str]] = {
        "kmsDataKeyReusePeriodSeconds": "messages are kept in memory only",
        "kmsMasterKeyId": "messages are kept in memory only",
        "sqsManagedSseEnabled": "messages are kept in memory only",
    }
    naming = Naming("name", 80, "namePrefix")
    tagging = Tagging(
        "sqs",
        "QueueUrl",
        of="url",
        tag="TagQueue",
        untag="UntagQueue",
        list="ListQueueTags",
        as_map=True,
    )
    computed = frozenset(
        {
            *("deduplicationScope", "fifoThroughputLimit", "kmsDataKeyReusePeriodSeconds"),
            *("policy", "redriveAllowPolicy", "redrivePolicy", "sqsManagedSseEnabled"),
        }
    )
    imports = "{url}"
    observes: ClassVar[dict[str, str]] = {"QueueUrl": "url"}
    id = "https://sqs.{region}.amazonaws.com/{account}/{name}"
    arn = "arn:{partition}:sqs:{region}:{account}:{name}"

    def preview(self, where: Where, inputs: Properties) -> Properties:
        outputs = super().preview(where, inputs)
        return outputs | {"url": outputs["id"]}

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        params: dict[str, Any] = {
            "QueueName": inputs["name"],
            "Attributes": to_aws(_ATTRIBUTES, inputs),
        }
        if inputs.get("tags"):
            params["tags"] = inputs["tags"]  # the one member of this request in lower case
        return [Call("sqs", "CreateQueue", params)]

    def identify(self, cloud: Cloud, inputs: Properties) -> str | None:
        try:
            answer = cloud.send(Call("sqs", "GetQueueUrl", self.named(inputs)))
        except ClientError as error:
            if is_gone(error):
                return None
            raise
        return str(answer["QueueUrl"])

    def observed(self, answer: Any) -> Properties:
        url = answer.get("QueueUrl")
        return {"id": url, "url": url} if url else {}

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        del where
        calls = []
        if attributes := changed & _ATTRIBUTES.keys():
            wanted = {name: new.get(name, _RESET.get(name)) for name in attributes}
            params = {"QueueUrl": old["url"], "Attributes": to_aws(_ATTRIBUTES, wanted)}
            calls.append(Call("sqs", "SetQueueAttributes", params))
        return calls + (self.tagging.change(old, new) if "tags" in changed else [])

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [Call("sqs", "DeleteQueue", {"QueueUrl": old["url"]})]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties:
        answer = cloud.send(
            Call("sqs", "GetQueueAttributes", {"QueueUrl": old["url"], "AttributeNames": ["All"]})
        )
        attributes = answer["Attributes"]
        url = {"id": old["url"], "url": old["url"], "name": old["url"].rsplit("/", 1)[-1]}
        return from_aws(_ATTRIBUTES, attributes) | url | {"arn": attributes["QueueArn"]}


class QueuePolicy(Put):
    """``aws:sqs/queuePolicy:QueuePolicy``: who may send to a queue."""

    type = "aws:sqs/queuePolicy:QueuePolicy"
    shape: ClassVar[Shape] = {"queueUrl": Field("QueueUrl"), "policy": Field("Policy")}
    key = ("queueUrl",)
    replaces = frozenset({"queueUrl"})
    id = "{queueUrl}"

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        return [_set_policy(inputs["queueUrl"], inputs["policy"])]

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [_set_policy(old["queueUrl"], "")]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties | None:
        answer = cloud.send(
            Call(
                "sqs",
                "GetQueueAttributes",
                {"QueueUrl": old["queueUrl"], "AttributeNames": ["Policy"]},
            )
        )
        policy = answer.get("Attributes", {}).get("Policy")
        return {"queueUrl": old["queueUrl"], "policy": policy} if policy else None


def _set_policy(url: str, policy: str) -> Call:
    return Call("sqs", "SetQueueAttributes", {"QueueUrl": url, "Attributes": {"Policy": policy}})
