"""Temporary credentials of a role, for the services that act as it."""

import hashlib
import json

from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy
from ministack.core.responses import request_scope
from ministack.services import iam, sts

from .. import ACCOUNT, REGION
from ..errors import AwsError

PINS = {
    "ministack.core.iam_evaluator.evaluate_resource_policy": (
        "(doc: str | dict | None, ctx: ministack.core.iam_evaluator.EvalContext, "
        "service: str | None = None, named_only: bool = False, direct_only: bool = False) -> "
        "ministack.core.iam_evaluator.EvalResult"
    ),
    "ministack.services.iam._roles": "AccountScopedDict",
    "ministack.services.sts.register_session": "(access_key: str, session: dict) -> None",
}


def credentials(role_arn: str, service: str) -> dict[str, str]:
    """The environment that makes a process act as the role, as a service that assumes it gets.

    Raises AwsError (ValidationException) if there is no such role or its trust policy does not let
    the service principal ``service`` assume it.
    """
    name = role_arn.rpartition("/")[2]
    with request_scope(ACCOUNT, REGION):
        role = iam._roles.get(name)
        if role is None or role["Arn"] != role_arn or not trusts(role, service):
            raise AwsError(
                "ValidationException",
                f"Could not assume role {role_arn}. Please ensure that the role exists and allows "
                f"principal '{service}' to assume the role.",
            )
        # The same role has the same credentials, so that a session is registered once.
        digest = hashlib.sha256(f"{service}:{role_arn}".encode()).hexdigest()
        session = service.partition(".")[0]
        key, secret, token = f"ASIA{digest[:16].upper()}", digest, f"token-{digest}"
        sts.register_session(
            key,
            {
                "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/{session}",
                "UserId": f"{role['RoleId']}:{session}",
                "SecretAccessKey": secret,
                "SessionToken": token,
            },
        )
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": token,
    }


def trusts(role: dict[str, str], service: str) -> bool:
    """Whether the role's trust policy lets the service principal assume it."""
    policy = role["AssumeRolePolicyDocument"]
    document = json.loads(policy) if isinstance(policy, str) else policy
    statements = document["Statement"]
    # A trust policy has no Resource: it is about the role that carries it.
    applied = [
        {**statement, "Resource": "*"}
        for statement in (statements if isinstance(statements, list) else [statements])
    ]
    context = EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action="sts:AssumeRole",
        resource_arn=role["Arn"],
        region=REGION,
        service_context={
            "aws:sourceaccount": ACCOUNT,
            # For which resource the service acts is not known here: any of this account's will do.
            "aws:sourcearn": f"arn:aws:{service.partition('.')[0]}:{REGION}:{ACCOUNT}:any",
        },
    )
    decision: str = evaluate_resource_policy({"Statement": applied}, context, service).decision
    return decision == "Allow"
