"""Keys of AWS KMS and their aliases."""

from collections.abc import Mapping
from typing import Any, ClassVar

from .handler import Call, Cloud, Handler, Tagging, Where
from .shape import Field, Properties, Shape, from_aws, own, same, to_aws

_MADE_UP = "00000000-0000-0000-0000-000000000000"


class Key(Handler):
    """``aws:kms/key:Key``; deleting it only schedules its deletion, as everywhere in AWS."""

    type = "aws:kms/key:Key"
    shape: ClassVar[Shape] = {
        **same("description", "keyUsage", "multiRegion", "policy"),
        "customerMasterKeySpec": Field("KeySpec"),
        "bypassPolicyLockoutSafetyCheck": Field("BypassPolicyLockoutSafetyCheck"),
        **own("deletionWindowInDays", "enableKeyRotation", "isEnabled"),
    }
    key = ("keyId",)
    replaces = frozenset({"customerMasterKeySpec", "keyUsage", "multiRegion"})
    defaults: ClassVar[Properties] = {
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "enableKeyRotation": False,
        "isEnabled": True,
        "keyUsage": "ENCRYPT_DECRYPT",
    }
    observes: ClassVar[dict[str, str]] = {"KeyId": "keyId", "Arn": "arn"}
    tagging = Tagging(
        "kms", "KeyId", of="keyId", list="ListResourceTags", pair=("TagKey", "TagValue")
    )
    computed = frozenset({"description", "multiRegion", "policy"})
    unread = frozenset({"bypassPolicyLockoutSafetyCheck", "deletionWindowInDays"})
    imports = "{keyId}"
    id = _MADE_UP

    def preview(self, where: Where, inputs: Properties) -> Properties:
        arn = f"arn:{where.partition}:kms:{where.region}:{where.account}:key/{_MADE_UP}"
        outputs = super().preview(where, inputs) | {"keyId": _MADE_UP, "arn": arn}
        return {"description": "", "policy": "", "multiRegion": False, **outputs}

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        params = to_aws(self.shape, inputs)
        if inputs.get("tags"):
            params["Tags"] = self.tagging.encode(inputs["tags"])
        return [Call("kms", "CreateKey", params)]

    def settle(self, cloud: Cloud, outputs: Properties) -> Properties:
        # What CreateKey does not take; both calls may be repeated.
        if outputs["enableKeyRotation"]:
            cloud.send(Call("kms", "EnableKeyRotation", self.named(outputs)))
        if not outputs["isEnabled"]:
            cloud.send(Call("kms", "DisableKey", self.named(outputs)))
        return {}

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        del where
        named = {"KeyId": old["keyId"]}
        calls = []
        if "description" in changed:
            described = named | {"Description": new.get("description", "")}
            calls.append(Call("kms", "UpdateKeyDescription", described))
        if "policy" in changed and new.get("policy"):
            policy = named | {"PolicyName": "default", "Policy": new["policy"]}
            calls.append(Call("kms", "PutKeyPolicy", policy))
        if "enableKeyRotation" in changed and not new["enableKeyRotation"]:
            calls.append(Call("kms", "DisableKeyRotation", named))
        if "isEnabled" in changed and new["isEnabled"]:
            calls.append(Call("kms", "EnableKey", named))
        return calls + (self.tagging.change(old, new) if "tags" in changed else [])

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        window = to_aws({"deletionWindowInDays": Field("PendingWindowInDays")}, old)
        return [Call("kms", "ScheduleKeyDeletion", {"KeyId": old["keyId"], **window})]

    def observed(self, answer: Mapping[str, Any]) -> Properties:
        found = super().observed(answer.get("KeyMetadata", {}))
        return found | ({"id": found["keyId"]} if "keyId" in found else {})

    def fetch(self, cloud: Cloud, old: Properties) -> Properties | None:
        found = cloud.send(Call("kms", "DescribeKey", self.named(old)))["KeyMetadata"]
        if found["KeyState"] == "PendingDeletion":
            return None
        policy = self.named(old) | {"PolicyName": "default"}
        rotation = cloud.send(Call("kms", "GetKeyRotationStatus", self.named(old)))
        return {
            **from_aws(self.shape, found),
            **self.observed({"KeyMetadata": found}),
            "enableKeyRotation": rotation["KeyRotationEnabled"],
            "isEnabled": found["Enabled"],
            "policy": cloud.send(Call("kms", "GetKeyPolicy", policy))["Policy"],
        }

    def named(self, properties: Properties) -> dict[str, Any]:
        return {"KeyId": properties["keyId"]}


class Alias(Handler):
    """``aws:kms/alias:Alias``: a name for a key, which begins with ``alias/``."""

    type = "aws:kms/alias:Alias"
    shape: ClassVar[Shape] = {"name": Field("AliasName"), "targetKeyId": Field("TargetKeyId")}
    key = ("name",)
    replaces = frozenset({"name"})
    id = "{name}"
    arn = "arn:{partition}:kms:{region}:{account}:{name}"
    follows: ClassVar[dict[str, frozenset[str]]] = {"targetKeyArn": frozenset({"targetKeyId"})}

    def fill(self, name: str, inputs: Properties) -> Properties:
        return {"name": f"alias/{name}", **inputs}

    def preview(self, where: Where, inputs: Properties) -> Properties:
        key = inputs["targetKeyId"].rsplit("/", 1)[-1]
        arn = f"arn:{where.partition}:kms:{where.region}:{where.account}:key/{key}"
        return super().preview(where, inputs) | {"targetKeyArn": arn}

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        return [Call("kms", "CreateAlias", to_aws(self.shape, inputs))]

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        del where, changed, old
        return [Call("kms", "UpdateAlias", to_aws(self.shape, new))]

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [Call("kms", "DeleteAlias", self.named(old))]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties | None:
        for alias in cloud.send(Call("kms", "ListAliases", {}))["Aliases"]:
            if alias["AliasName"] == old["name"]:
                return {"name": alias["AliasName"], "targetKeyId": alias["TargetKeyId"]}
        return None
