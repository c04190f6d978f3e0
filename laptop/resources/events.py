"""Rules of Amazon EventBridge and their targets."""

from typing import Any, ClassVar

from ..errors import LaptopError
from .handler import Call, Cloud, Handler, Naming, Tagging, Where
from .shape import Field, Properties, Shape, from_aws, own, same, to_aws


class EventRule(Handler):
    """``aws:cloudwatch/eventRule:EventRule``."""

    type = "aws:cloudwatch/eventRule:EventRule"
    shape: ClassVar[Shape] = {
        **same("name", "description", "eventPattern", "eventBusName", "roleArn"),
        **same("scheduleExpression", "state"),
        **own("namePrefix", "forceDestroy"),
    }
    key = ("name", "eventBusName")
    replaces = frozenset({"name", "namePrefix", "eventBusName"})
    defaults: ClassVar[Properties] = {
        "eventBusName": "default",
        "state": "ENABLED",
        "forceDestroy": False,
    }
    naming = Naming("name", 64, "namePrefix")
    tagging = Tagging("events", "ResourceARN")
    unread = frozenset({"forceDestroy"})

    id = "{name}"

    def preview(self, where: Where, inputs: Properties) -> Properties:
        outputs = super().preview(where, inputs)
        bus = inputs["eventBusName"]
        path = inputs["name"] if bus == "default" else f"{bus}/{inputs['name']}"
        outputs["arn"] = f"arn:{where.partition}:events:{where.region}:{where.account}:rule/{path}"
        return outputs

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        params = to_aws(self.shape, inputs)
        if inputs.get("tags"):
            params["Tags"] = self.tagging.encode(inputs["tags"])
        return [Call("events", "PutRule", params)]

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        del where
        calls = []
        if changed - {"tags", "forceDestroy"}:
            calls.append(Call("events", "PutRule", to_aws(self.shape, new)))
        return calls + (self.tagging.change(old, new) if "tags" in changed else [])

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [Call("events", "DeleteRule", _rule(old) | _force(old))]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties:
        answer = cloud.send(Call("events", "DescribeRule", _rule(old)))
        return from_aws(self.shape, answer) | {"arn": answer["Arn"]}


class EventTarget(Handler):
    """``aws:cloudwatch/eventTarget:EventTarget``: where the events of a rule go."""

    type = "aws:cloudwatch/eventTarget:EventTarget"
    shape: ClassVar[Shape] = {
        **same("arn", "roleArn", "input", "inputPath"),
        **own("rule", "eventBusName", "forceDestroy"),
        "targetId": Field("Id"),
        "deadLetterConfig": Field("DeadLetterConfig", same("arn")),
        "retryPolicy": Field(
            "RetryPolicy",
            {
                "maximumEventAgeInSeconds": Field("MaximumEventAgeInSeconds"),
                "maximumRetryAttempts": Field("MaximumRetryAttempts"),
            },
        ),
        "inputTransformer": Field(
            "InputTransformer",
            {"inputTemplate": Field("InputTemplate"), "inputPaths": Field("InputPathsMap")},
        ),
        "sqsTarget": Field("SqsParameters", same("messageGroupId")),
        "sagemakerPipelineTarget": Field(
            "SageMakerPipelineParameters",
            {"pipelineParameterLists": Field("PipelineParameterList", same("name", "value"))},
        ),
    }
    key = ("rule", "eventBusName", "targetId")
    replaces = frozenset({"rule", "targetId", "eventBusName"})
    defaults: ClassVar[Properties] = {"eventBusName": "default", "forceDestroy": False}
    naming = Naming("targetId", 64)
    unread = frozenset({"forceDestroy"})
    imports = "{rule}/{targetId}"
    id = "{rule}-{targetId}"

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        target = to_aws(self.shape, inputs)
        return [Call("events", "PutTargets", _of_rule(inputs) | {"Targets": [target]})]

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        del old
        return self.creation(where, new) if changed - {"forceDestroy"} else []

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        params = _of_rule(old) | {"Ids": [old["targetId"]]} | _force(old)
        return [Call("events", "RemoveTargets", params)]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties | None:
        answer = cloud.send(Call("events", "ListTargetsByRule", _of_rule(old)))
        for target in answer["Targets"]:
            if target["Id"] == old["targetId"]:
                named = {name: old[name] for name in ("rule", "eventBusName")}
                return from_aws(self.shape, target) | named
        return None

    def observed(self, answer: Any) -> Properties:
        # PutTargets answers 200 even if it refused a target.
        for entry in answer.get("FailedEntries", ()):
            raise LaptopError(f"{entry.get('ErrorCode')}: {entry.get('ErrorMessage')}")
        return {}


def _rule(properties: Properties) -> dict[str, Any]:
    return {"Name": properties["name"], "EventBusName": properties["eventBusName"]}


def _of_rule(properties: Properties) -> dict[str, Any]:
    return {"Rule": properties["rule"], "EventBusName": properties["eventBusName"]}


def _force(properties: Properties) -> dict[str, Any]:
    return {"Force": True} if properties["forceDestroy"] else {}
