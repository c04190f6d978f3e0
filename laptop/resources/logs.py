"""Log groups of Amazon CloudWatch Logs."""

from typing import ClassVar

from .handler import Call, Cloud, Handler, Naming, Tagging, Where
from .shape import Field, Properties, Shape, from_aws, lower, own, to_aws

_NEVER = 0  # the provider's spelling of a group that keeps its events for ever


class LogGroup(Handler):
    """``aws:cloudwatch/logGroup:LogGroup``; ``retentionInDays`` 0 keeps events for ever."""

    type = "aws:cloudwatch/logGroup:LogGroup"
    shape: ClassVar[Shape] = {
        "name": Field("logGroupName"),
        **lower("kmsKeyId", "logGroupClass"),
        **own("namePrefix", "retentionInDays", "skipDestroy"),
    }
    key = ("name",)
    replaces = frozenset({"name", "namePrefix", "logGroupClass"})
    defaults: ClassVar[Properties] = {
        "logGroupClass": "STANDARD",
        "retentionInDays": _NEVER,
        "skipDestroy": False,
    }
    no_effect: ClassVar[dict[str, str]] = {
        "kmsKeyId": "events are kept in memory only",
        "retentionInDays": "the laptop AWS does not live for a day",
    }
    naming = Naming("name", 512, "namePrefix")
    tagging = Tagging("logs", "resourceArn", member="tags", keys="tagKeys", as_map=True)
    computed = frozenset({"logGroupClass"})
    unread = frozenset({"skipDestroy"})
    id = "{name}"
    arn = "arn:{partition}:logs:{region}:{account}:log-group:{name}"

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        params = to_aws(self.shape, inputs)
        if inputs.get("tags"):
            params["tags"] = inputs["tags"]
        calls = [Call("logs", "CreateLogGroup", params)]
        return calls + ([_retain(inputs)] if inputs["retentionInDays"] != _NEVER else [])

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        del where
        calls = []
        if "retentionInDays" in changed:
            calls.append(_retain(new))
        if "kmsKeyId" in changed:
            key = to_aws(lower("kmsKeyId"), new)
            operation = "AssociateKmsKey" if key else "DisassociateKmsKey"
            calls.append(Call("logs", operation, self.named(old) | key))
        return calls + (self.tagging.change(old, new) if "tags" in changed else [])

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [] if old["skipDestroy"] else [Call("logs", "DeleteLogGroup", self.named(old))]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties | None:
        groups = cloud.send(Call("logs", "DescribeLogGroups", {"logGroupNamePrefix": old["name"]}))[
            "logGroups"
        ]
        for group in groups:
            if group["logGroupName"] == old["name"]:
                return {
                    "logGroupClass": "STANDARD",
                    **from_aws(self.shape, group),
                    "arn": group["arn"].removesuffix(":*"),
                    "retentionInDays": group.get("retentionInDays", _NEVER),
                }
        return None


def _retain(properties: Properties) -> Call:
    group = {"logGroupName": properties["name"]}
    if properties["retentionInDays"] == _NEVER:
        return Call("logs", "DeleteRetentionPolicy", group)
    days = {"retentionInDays": properties["retentionInDays"]}
    return Call("logs", "PutRetentionPolicy", group | days)
