"""Roles of AWS IAM and the policies on them."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import unquote

from .handler import Call, Cloud, Handler, Naming, Put, Tagging, Where
from .shape import Field, Properties, Shape, from_aws, own, same, to_aws

_PUT = {"name": Field("PolicyName"), "policy": Field("PolicyDocument")}

_ROLE = {
    "name": Field("RoleName"),
    "assumeRolePolicy": Field("AssumeRolePolicyDocument"),
    "permissionsBoundary": Field("PermissionsBoundary"),
    **same("description", "maxSessionDuration", "path"),
}


class Role(Handler):
    """``aws:iam/role:Role``; its inline policies and attachments may be declared in it."""

    type = "aws:iam/role:Role"
    shape: ClassVar[Shape] = {
        **_ROLE,
        **own("namePrefix", "forceDetachPolicies", "managedPolicyArns"),
        "inlinePolicies": Field(of=_PUT),
    }
    key = ("name",)
    replaces = frozenset({"name", "namePrefix", "path"})
    defaults: ClassVar[Properties] = {
        "forceDetachPolicies": False,
        "maxSessionDuration": 3600,
        "path": "/",
    }
    naming = Naming("name", 64, "namePrefix")
    tagging = Tagging(
        "iam", "RoleName", of="name", tag="TagRole", untag="UntagRole", list="ListRoleTags"
    )
    observes: ClassVar[dict[str, str]] = {"RoleId": "uniqueId", "CreateDate": "createDate"}
    computed = frozenset({"inlinePolicies", "managedPolicyArns"})
    unread = frozenset({"forceDetachPolicies"})
    id = "{name}"
    arn = "arn:{partition}:iam::{account}:role{path}{name}"

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        params = to_aws(_ROLE, inputs)
        if inputs.get("tags"):
            params["Tags"] = self.tagging.encode(inputs["tags"])
        return [Call("iam", "CreateRole", params), *_policies({}, inputs, inputs["name"])]

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        del where
        role = {"RoleName": old["name"]}
        calls = []
        if "assumeRolePolicy" in changed:
            document = {"PolicyDocument": new["assumeRolePolicy"]}
            calls.append(Call("iam", "UpdateAssumeRolePolicy", role | document))
        if changed & {"description", "maxSessionDuration"}:
            described = to_aws(same("maxSessionDuration"), new)
            described["Description"] = new.get("description", "")
            calls.append(Call("iam", "UpdateRole", role | described))
        if "permissionsBoundary" in changed:
            if boundary := new.get("permissionsBoundary"):
                params = role | {"PermissionsBoundary": boundary}
                calls.append(Call("iam", "PutRolePermissionsBoundary", params))
            else:
                calls.append(Call("iam", "DeleteRolePermissionsBoundary", role))
        calls += _policies(old, new, old["name"])
        return calls + (self.tagging.change(old, new) if "tags" in changed else [])

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [*_policies(old, {}, old["name"]), Call("iam", "DeleteRole", self.named(old))]

    def delete(self, cloud: Cloud, old: Properties) -> None:
        """Delete the role; with ``forceDetachPolicies`` whatever else is on it goes first.

        Raises botocore's ClientError DeleteConflict for policies that are not declared in it.
        """
        if old["forceDetachPolicies"]:
            for call in _all_policies(cloud, old["name"]):
                cloud.send(call)
            old = {**old, "inlinePolicies": [], "managedPolicyArns": []}
        super().delete(cloud, old)

    def fetch(self, cloud: Cloud, old: Properties) -> Properties:
        role = cloud.send(Call("iam", "GetRole", self.named(old)))["Role"]
        boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
        return {
            **from_aws(_ROLE, {**role, "PermissionsBoundary": boundary}),
            "assumeRolePolicy": _document(role["AssumeRolePolicyDocument"]),
            "arn": role["Arn"],
            **self.observed({"Role": role}),
            **_declared_policies(cloud, old),
        }

    def observed(self, answer: Mapping[str, Any]) -> Properties:
        role = answer.get("Role")
        if not role:
            return {}
        return {
            "uniqueId": role["RoleId"],
            "createDate": role["CreateDate"].isoformat(),
            "arn": role["Arn"],
        }


class RolePolicy(Put):
    """``aws:iam/rolePolicy:RolePolicy``: one inline policy of a role."""

    type = "aws:iam/rolePolicy:RolePolicy"
    shape: ClassVar[Shape] = {**_PUT, "role": Field("RoleName"), **own("namePrefix")}
    key = ("role", "name")
    replaces = frozenset({"role", "name", "namePrefix"})
    naming = Naming("name", 128, "namePrefix")
    id = "{role}:{name}"

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        return [Call("iam", "PutRolePolicy", to_aws(self.shape, inputs))]

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [Call("iam", "DeleteRolePolicy", self.named(old))]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties:
        answer = cloud.send(Call("iam", "GetRolePolicy", self.named(old)))
        return from_aws(self.shape, answer) | {"policy": _document(answer["PolicyDocument"])}


class RolePolicyAttachment(Handler):
    """``aws:iam/rolePolicyAttachment:RolePolicyAttachment``: a managed policy on a role."""

    type = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    shape: ClassVar[Shape] = {"role": Field("RoleName"), "policyArn": Field("PolicyArn")}
    key = ("role", "policyArn")
    replaces = frozenset({"role", "policyArn"})
    id = "{role}/{policyArn}"

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        return [Call("iam", "AttachRolePolicy", to_aws(self.shape, inputs))]

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [Call("iam", "DetachRolePolicy", self.named(old))]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties | None:
        attached = _attached(cloud, old["role"])
        return {name: old[name] for name in self.key} if old["policyArn"] in attached else None


def _policies(old: Properties, new: Properties, role: str) -> list[Call]:
    """The calls that turn the policies declared in a role into those of ``new``."""
    was, wanted = (
        {policy["name"]: policy["policy"] for policy in side.get("inlinePolicies") or ()}
        for side in (old, new)
    )
    attached, wanted_attached = (set(side.get("managedPolicyArns") or ()) for side in (old, new))
    calls = [_drop(role, name) for name in sorted(was.keys() - wanted.keys())]
    for name in sorted(wanted):
        if was.get(name) != wanted[name]:
            put = {"RoleName": role, "PolicyName": name, "PolicyDocument": wanted[name]}
            calls.append(Call("iam", "PutRolePolicy", put))
    calls += [_detach(role, arn) for arn in sorted(attached - wanted_attached)]
    for arn in sorted(wanted_attached - attached):
        calls.append(Call("iam", "AttachRolePolicy", {"RoleName": role, "PolicyArn": arn}))
    return calls


def _all_policies(cloud: Cloud, role: str) -> list[Call]:
    inline = cloud.send(Call("iam", "ListRolePolicies", {"RoleName": role}))["PolicyNames"]
    return [
        *(_drop(role, name) for name in inline),
        *(_detach(role, arn) for arn in _attached(cloud, role)),
    ]


def _declared_policies(cloud: Cloud, old: Properties) -> Properties:
    """The policies on a role, of the kinds that are declared in it: others have their own types.

    All of them for a role that is being adopted, which is not declared yet.
    """
    role, found = {"RoleName": old["name"]}, Properties()
    adopted = "id" not in old
    if adopted or old.get("managedPolicyArns"):
        found["managedPolicyArns"] = _attached(cloud, old["name"])
    if adopted or old.get("inlinePolicies"):
        names = cloud.send(Call("iam", "ListRolePolicies", role))["PolicyNames"]
        answers = [
            cloud.send(Call("iam", "GetRolePolicy", role | {"PolicyName": name})) for name in names
        ]
        found["inlinePolicies"] = [
            {"name": answer["PolicyName"], "policy": _document(answer["PolicyDocument"])}
            for answer in answers
        ]
    return found


def _attached(cloud: Cloud, role: str) -> list[str]:
    answer = cloud.send(Call("iam", "ListAttachedRolePolicies", {"RoleName": role}))
    return [policy["PolicyArn"] for policy in answer["AttachedPolicies"]]


def _drop(role: str, name: str) -> Call:
    return Call("iam", "DeleteRolePolicy", {"RoleName": role, "PolicyName": name})


def _detach(role: str, arn: str) -> Call:
    return Call("iam", "DetachRolePolicy", {"RoleName": role, "PolicyArn": arn})


def _document(policy: Any) -> str:
    # botocore decodes the URL encoding of IAM into an object; an emulator may not encode at all.
    return json.dumps(policy) if isinstance(policy, dict) else unquote(policy)
