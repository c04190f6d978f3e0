"""Functions of AWS Lambda, what feeds them, and who may call them."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from ..errors import LaptopError
from .handler import (
    Call,
    Cloud,
    Handler,
    Mistake,
    Naming,
    Tagging,
    Where,
    wait_until,
)
from .shape import UNKNOWN, Field, Properties, Shape, from_aws, own, same, to_aws

# What CreateFunction and UpdateFunctionConfiguration share.
_CONFIGURATION = {
    **same("role", "handler", "runtime", "description", "timeout", "memorySize", "layers"),
    "environment": Field("Environment", same("variables")),
    "deadLetterConfig": Field("DeadLetterConfig", same("targetArn")),
    "ephemeralStorage": Field("EphemeralStorage", same("size")),
    "loggingConfig": Field(
        "LoggingConfig", same("logFormat", "applicationLogLevel", "logGroup", "systemLogLevel")
    ),
    "tracingConfig": Field("TracingConfig", same("mode")),
    "vpcConfig": Field(
        "VpcConfig", same("securityGroupIds", "subnetIds", "ipv6AllowedForDualStack")
    ),
}
_KMS = {"kmsKeyArn": Field("KMSKeyArn")}  # the one member in capitals
_PACKAGE = frozenset({"code", "s3Bucket", "s3Key", "s3ObjectVersion"})
_CODE = _PACKAGE | {"sourceCodeHash", "architectures"}
_RESET: Properties = {
    # What UpdateFunctionConfiguration takes to clear a setting that is no longer declared.
    "deadLetterConfig": {"targetArn": ""},
    "description": "",
    "environment": {"variables": {}},
    "kmsKeyArn": "",
    "layers": [],
    "tracingConfig": {"mode": "PassThrough"},
    "vpcConfig": {"securityGroupIds": [], "subnetIds": []},
}


class Function(Handler):
    """``aws:lambda/function:Function``, from an archive or a zip in S3."""

    type = "aws:lambda/function:Function"
    shape: ClassVar[Shape] = {
        "name": Field("FunctionName"),
        **_CONFIGURATION,
        **_KMS,
        **same("architectures", "packageType", "publish"),
        **own("code", "s3Bucket", "s3Key", "s3ObjectVersion", "sourceCodeHash"),
        **own("reservedConcurrentExecutions"),
    }
    key = ("name",)
    replaces = frozenset({"name", "packageType"})
    defaults: ClassVar[Properties] = {
        "memorySize": 128,
        "packageType": "Zip",
        "publish": False,
        "reservedConcurrentExecutions": -1,
        "timeout": 3,
    }
    no_effect: ClassVar[dict[str, str]] = {
        "architectures": "functions run on the processor of this machine",
        "ephemeralStorage": "functions write to the disk of this machine",
        "kmsKeyArn": "the environment is kept in memory only",
        "tracingConfig": "there is no X-Ray",
        "vpcConfig": "there is one network, loopback",
    }
    naming = Naming("name", 64)
    tagging = Tagging("lambda", "Resource", list="ListTags", as_map=True)
    observes: ClassVar[dict[str, str]] = {
        "LastModified": "lastModified",
        "CodeSize": "sourceCodeSize",
        "Version": "version",
    }
    computed = frozenset(
        {
            *("architectures", "ephemeralStorage", "loggingConfig", "sourceCodeHash"),
            "tracingConfig",
        }
    )
    unread = frozenset({*_PACKAGE, "publish", "sourceCodeHash"})
    digests: ClassVar[dict[str, frozenset[str]]] = {"codeSha256": _PACKAGE | {"sourceCodeHash"}}
    follows: ClassVar[dict[str, frozenset[str]]] = {
        "codeSha256": _CODE,
        "sourceCodeHash": _CODE,
        "sourceCodeSize": _CODE,
        "lastModified": frozenset(),
    }
    id = "{name}"
    arn = "arn:{partition}:lambda:{region}:{account}:function:{name}"

    def mistakes(self, inputs: Properties) -> Iterator[Mistake]:
        yield from super().mistakes(inputs)
        if ("code" in inputs) == ("s3Bucket" in inputs):
            sentence = "a function takes its code from 'code' or from 's3Bucket': set one"
            yield Mistake("code", sentence)

    def fill(self, name: str, inputs: Properties) -> Properties:
        del name
        if not isinstance(inputs.get("environment"), dict):
            return inputs
        return inputs | {"environment": {"variables": inputs["environment"].get("variables") or {}}}

    def preview(self, where: Where, inputs: Properties) -> Properties:
        outputs = super().preview(where, inputs)
        arn = outputs["arn"]
        path = f"arn:{where.partition}:apigateway:{where.region}:lambda:path/2015-03-31/functions"
        code = inputs.get("code")
        digest = base64.b64encode(hashlib.sha256(code).digest()).decode() if code else ""
        return {
            "architectures": ["x86_64"],
            "ephemeralStorage": {"size": 512},
            "loggingConfig": {"logFormat": "Text", "logGroup": f"/aws/lambda/{inputs['name']}"},
            "tracingConfig": {"mode": "PassThrough"},
            "sourceCodeHash": digest,
            **outputs,
            "codeSha256": digest,
            "invokeArn": f"{path}/{arn}/invocations",
            "lastModified": "1970-01-01T00:00:00.000+0000",
            "qualifiedArn": f"{arn}:$LATEST",
            "qualifiedInvokeArn": f"{path}/{arn}:$LATEST/invocations",
            "responseStreamingInvokeArn": (
                f"{path.replace('2015-03-31', '2021-11-15')}/{arn}/response-streaming-invocations"
            ),
            "signingJobArn": "",
            "signingProfileVersionArn": "",
            "sourceCodeSize": len(code or b""),
            "version": "$LATEST",
        }

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        params = to_aws(self.shape, inputs) | {"Code": _code(inputs)}
        if inputs.get("tags"):
            params["Tags"] = inputs["tags"]
        calls = [Call("lambda", "CreateFunction", params)]
        if inputs["reservedConcurrentExecutions"] >= 0:
            calls.append(_reserve(inputs["name"], inputs["reservedConcurrentExecutions"]))
        return calls

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        del where
        function = {"FunctionName": old["name"]}
        calls = []
        if changed & _CODE:
            architectures = to_aws(same("architectures"), new)
            code = function | _code(new) | architectures | {"Publish": new["publish"]}
            calls.append(Call("lambda", "UpdateFunctionCode", code))
        if settings := changed & (_CONFIGURATION.keys() | _KMS.keys()):
            # What is not sent stays as it is, so only what changed is sent.
            wanted = {name: new.get(name, _RESET.get(name)) for name in settings}
            params = function | to_aws(_CONFIGURATION | _KMS, wanted)
            calls.append(Call("lambda", "UpdateFunctionConfiguration", params))
        if "reservedConcurrentExecutions" in changed:
            calls.append(_reserve(old["name"], new["reservedConcurrentExecutions"]))
        return calls + (self.tagging.change(old, new) if "tags" in changed else [])

    def update(
        self, cloud: Cloud, changed: frozenset[str], old: Properties, new: Properties
    ) -> Properties:
        # Lambda refuses a second change while the first is under way (ResourceConflictException).
        outputs = self.preview(cloud.where, new)
        for call in self.change(cloud.where, changed, old, new):
            outputs |= self.observed(cloud.send(call))
            self.settle(cloud, outputs)
        return outputs

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [Call("lambda", "DeleteFunction", {"FunctionName": old["name"]})]

    def settle(self, cloud: Cloud, outputs: Properties) -> Properties:
        function = {"FunctionName": outputs["name"]}

        def ready() -> bool:
            answer = cloud.send(Call("lambda", "GetFunctionConfiguration", function))
            for state in ("State", "LastUpdateStatus"):
                if answer.get(state) == "Failed":
                    raise LaptopError(answer.get(f"{state}Reason") or f"{state} is Failed")
            return (
                answer.get("State", "Active") in {"Active", "Inactive"}
                and answer.get("LastUpdateStatus") != "InProgress"
            )

        wait_until(ready, f"the function {outputs['name']}")
        return {}

    def fetch(self, cloud: Cloud, old: Properties) -> Properties:
        answer = cloud.send(Call("lambda", "GetFunction", {"FunctionName": old["name"]}))
        found = answer["Configuration"]
        reserved = answer.get("Concurrency", {}).get("ReservedConcurrentExecutions", -1)
        return {
            **from_aws(self.shape, found),
            **self.observed(found),
            "arn": found["FunctionArn"],
            "codeSha256": found["CodeSha256"],
            "reservedConcurrentExecutions": reserved,
        }


class EventSourceMapping(Handler):
    """``aws:lambda/eventSourceMapping:EventSourceMapping``: from a queue to a function."""

    type = "aws:lambda/eventSourceMapping:EventSourceMapping"
    shape: ClassVar[Shape] = {
        **same("functionName", "eventSourceArn", "enabled", "batchSize", "functionResponseTypes"),
        **same("maximumBatchingWindowInSeconds"),
        "kmsKeyArn": Field("KMSKeyArn"),
        "scalingConfig": Field("ScalingConfig", same("maximumConcurrency")),
        "filterCriteria": Field("FilterCriteria", {"filters": Field("Filters", same("pattern"))}),
    }
    key = ("uuid",)
    replaces = frozenset({"eventSourceArn"})
    defaults: ClassVar[Properties] = {"enabled": True}
    observes: ClassVar[dict[str, str]] = {
        "UUID": "uuid",
        "EventSourceMappingArn": "arn",
        "FunctionArn": "functionArn",
        "State": "state",
        "StateTransitionReason": "stateTransitionReason",
        "LastProcessingResult": "lastProcessingResult",
    }
    computed = frozenset({"batchSize", "maximumBatchingWindowInSeconds"})
    follows: ClassVar[dict[str, frozenset[str]]] = {
        "functionArn": frozenset({"functionName"}),
        "lastModified": frozenset(),
    }
    imports = "{uuid}"
    tagging = Tagging("lambda", "Resource", list="ListTags", as_map=True)
    id = "00000000-0000-0000-0000-000000000000"

    def fill(self, name: str, inputs: Properties) -> Properties:
        del name
        # functionName takes a name or an ARN; the provider treats both as the same value.
        return inputs | {"functionName": _function_name(inputs["functionName"])}

    def preview(self, where: Where, inputs: Properties) -> Properties:
        prefix = f"arn:{where.partition}:lambda:{where.region}:{where.account}"
        outputs = super().preview(where, inputs)
        return outputs | {
            "arn": f"{prefix}:event-source-mapping:{outputs['id']}",
            "functionArn": f"{prefix}:function:{inputs['functionName']}",
            "lastModified": "1970-01-01T00:00:00+00:00",
            "uuid": outputs["id"],
        }

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        params = to_aws(self.shape, inputs)
        if inputs.get("tags"):
            params["Tags"] = inputs["tags"]
        return [Call("lambda", "CreateEventSourceMapping", params)]

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        del where
        calls = []
        if changed - {"tags"}:
            shape = {name: field for name, field in self.shape.items() if name != "eventSourceArn"}
            params = {"UUID": old["uuid"], **to_aws(shape, new)}
            if "scalingConfig" in changed:  # what is left out stays as it was
                params.setdefault("ScalingConfig", {})
            calls.append(Call("lambda", "UpdateEventSourceMapping", params))
        return calls + (self.tagging.change(old, new) if "tags" in changed else [])

    def identify(self, cloud: Cloud, inputs: Properties) -> str | None:
        ends = {"FunctionName": inputs["functionName"], "EventSourceArn": inputs["eventSourceArn"]}
        answer = cloud.send(Call("lambda", "ListEventSourceMappings", ends))
        return next((str(found["UUID"]) for found in answer["EventSourceMappings"]), None)

    def collides(self, old: Properties, new: Properties) -> bool:
        # One function takes a source only once.
        return all(old.get(name) == new.get(name) for name in ("functionName", "eventSourceArn"))

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [Call("lambda", "DeleteEventSourceMapping", {"UUID": old["uuid"]})]

    def observed(self, answer: Mapping[str, Any]) -> Properties:
        found = super().observed(answer)
        if "LastModified" in answer:
            found["lastModified"] = answer["LastModified"].isoformat()
        return found | ({"id": found["uuid"]} if "uuid" in found else {})

    def settle(self, cloud: Cloud, outputs: Properties) -> Properties:
        wanted = "Enabled" if outputs["enabled"] else "Disabled"

        def there() -> bool:
            return bool(self._answer(cloud, outputs).get("State", wanted) == wanted)

        wait_until(there, "the event source mapping")
        return {"state": wanted}

    def vanish(self, cloud: Cloud, old: Properties) -> None:
        wait_until(lambda: self.read(cloud, old) is None, "deleting the event source mapping")

    def fetch(self, cloud: Cloud, old: Properties) -> Properties:
        answer = self._answer(cloud, old)
        return {
            **from_aws(self.shape, answer),
            **self.observed(answer),
            "functionName": _function_name(answer["FunctionArn"]),
            "enabled": answer.get("State") in {"Creating", "Enabled", "Enabling"},
        }

    def _answer(self, cloud: Cloud, outputs: Properties) -> dict[str, Any]:
        return cloud.send(Call("lambda", "GetEventSourceMapping", {"UUID": outputs["uuid"]}))


class Invocation(Handler):
    """``aws:lambda/invocation:Invocation``: a call that is part of a deployment.

    With ``lifecycleScope`` CRUD the function is also called on update and on delete, and its input
    says which: ``{"tf": {"action": ..., "prev_input": ...}, ...}``.
    """

    type = "aws:lambda/invocation:Invocation"
    shape: ClassVar[Shape] = own(
        "functionName", "input", "lifecycleScope", "qualifier", "terraformKey", "triggers"
    )
    key = ("functionName", "qualifier", "input")
    replaces = frozenset({"functionName", "qualifier", "triggers"})
    defaults: ClassVar[Properties] = {
        "lifecycleScope": "CREATE_ONLY",
        "qualifier": "$LATEST",
        "terraformKey": "tf",
    }
    id = "{functionName}_{qualifier}"
    unread = frozenset(shape)
    follows: ClassVar[dict[str, frozenset[str]]] = {"result": frozenset({"input"})}
    imports = None

    def mistakes(self, inputs: Properties) -> Iterator[Mistake]:
        yield from super().mistakes(inputs)
        if inputs.get("input", UNKNOWN) == UNKNOWN:
            return
        try:
            parsed = json.loads(inputs["input"])
        except ValueError as error:
            yield Mistake("input", f"'input' is not JSON ({error}): give a JSON document")
            return
        if inputs.get("lifecycleScope") == "CRUD" and not isinstance(parsed, dict):
            sentence = "'input' is no JSON object, which lifecycleScope CRUD needs: give one"
            yield Mistake("input", sentence)

    def preview(self, where: Where, inputs: Properties) -> Properties:
        return super().preview(where, inputs) | {"result": "{}"}

    def replacing(self, changed: Any, new: Properties) -> frozenset[str]:
        found = super().replacing(changed, new)
        once = new["lifecycleScope"] == "CREATE_ONLY"
        return found | ({"input"} & frozenset(changed) if once else frozenset())

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        return [_invocation("create", inputs, None)]

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        del where
        if new["lifecycleScope"] != "CRUD" or "input" not in changed:
            return []
        return [_invocation("update", new, old["input"])]

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [_invocation("delete", old, old["input"])] if old["lifecycleScope"] == "CRUD" else []

    def delete(self, cloud: Cloud, old: Properties) -> None:
        for call in self.deletion(cloud.where, old):
            self.observed(cloud.send(call))

    def observed(self, answer: Mapping[str, Any]) -> Properties:
        body = answer["Payload"].read().decode()
        if answer.get("FunctionError"):
            raise LaptopError(f"the function failed: {body[:1000]}")
        return {"result": body}

    def fetch(self, cloud: Cloud, old: Properties) -> Properties:
        del cloud
        return {name: old[name] for name in old if name in self.shape}  # nothing exists in AWS


class Permission(Handler):
    """``aws:lambda/permission:Permission``: a statement in the policy of a function."""

    type = "aws:lambda/permission:Permission"
    shape: ClassVar[Shape] = {
        "function": Field("FunctionName"),
        **same("action", "principal", "qualifier", "sourceAccount", "sourceArn", "statementId"),
        "principalOrgId": Field("PrincipalOrgID"),
        **own("statementIdPrefix"),
    }
    key = ("function", "statementId")
    replaces = frozenset({*shape})
    naming = Naming("statementId", 100, "statementIdPrefix")
    id = "{statementId}"
    imports = "{function}/{statementId}"

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        return [Call("lambda", "AddPermission", to_aws(self.shape, inputs))]

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        named = to_aws(
            {**self.shape}, {n: old.get(n) for n in ("function", "statementId", "qualifier")}
        )
        return [Call("lambda", "RemovePermission", named)]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties | None:
        function = to_aws(same("qualifier"), old) | {"FunctionName": old["function"]}
        policy = json.loads(cloud.send(Call("lambda", "GetPolicy", function))["Policy"])
        for statement in policy["Statement"]:
            if statement["Sid"] == old["statementId"]:
                return _permission(statement) | {
                    name: old[name] for name in ("function", "qualifier") if name in old
                }
        return None


def _permission(statement: Mapping[str, Any]) -> Properties:
    """The properties that AddPermission made a statement of."""
    principal = statement["Principal"]
    conditions = {
        key.lower(): value
        for condition in statement.get("Condition", {}).values()
        for key, value in condition.items()
    }
    found = {
        "action": statement["Action"],
        "principal": (
            principal.get("Service") or principal.get("AWS")
            if isinstance(principal, dict)
            else principal
        ),
        "principalOrgId": conditions.get("aws:principalorgid"),
        "sourceAccount": conditions.get("aws:sourceaccount"),
        "sourceArn": conditions.get("aws:sourcearn"),
        "statementId": statement["Sid"],
    }
    return {name: value for name, value in found.items() if value is not None}


def _code(inputs: Properties) -> dict[str, Any]:
    if "code" in inputs:
        return {"ZipFile": inputs["code"]}
    return to_aws({**same("s3ObjectVersion"), **_S3}, inputs)


_S3 = {"s3Bucket": Field("S3Bucket"), "s3Key": Field("S3Key")}


def _reserve(name: str, executions: int) -> Call:
    if executions < 0:
        return Call("lambda", "DeleteFunctionConcurrency", {"FunctionName": name})
    reserved = {"FunctionName": name, "ReservedConcurrentExecutions": executions}
    return Call("lambda", "PutFunctionConcurrency", reserved)


def _function_name(name_or_arn: str) -> str:
    return name_or_arn.split(":function:", 1)[-1] if name_or_arn.startswith("arn:") else name_or_arn


def _invocation(action: str, inputs: Properties, previous: str | None) -> Call:
    payload = inputs["input"]
    if inputs["lifecycleScope"] == "CRUD":
        life = {"action": action, "prev_input": json.loads(previous) if previous else None}
        payload = json.dumps({**json.loads(payload), inputs["terraformKey"]: life})
    return Call(
        "lambda",
        "Invoke",
        {
            "FunctionName": inputs["functionName"],
            "Qualifier": inputs["qualifier"],
            "Payload": payload.encode(),
        },
    )
