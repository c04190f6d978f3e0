"""Endpoints: created, updated blue/green, invoked, deleted.

Source: API reference, CreateEndpoint, UpdateEndpoint, DescribeEndpoint, InvokeEndpoint; Amazon
SageMaker AI Developer Guide, "Blue/Green Deployments" (all at once).
"""

import json
import logging
import random
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import urllib3

from laptop.errors import AwsError

from . import events, paging, shapes
from .account import Account, now
from .capture import Payload
from .catalogue import Catalogue
from .events import EventBus
from .fleet import DeploymentError, Fleet, Plan
from .processes import Processes
from .registry import Registry
from .tags import Tags

Request = Mapping[str, Any]
Response = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]

MAX_BODY = 6 * 1024 * 1024
"""Bytes of a request; Developer Guide, "Custom Inference Code with Hosting Services"."""

IN_PROGRESS = ("Creating", "Updating", "Deleting")
MESSAGE_LIMIT = 1024


@dataclass
class Endpoint:
    """One endpoint: what Describe tells of it, and the fleet that answers."""

    record: dict[str, Any]
    fleet: Fleet | None = None
    pending: dict[str, Any] | None = None
    capture: dict[str, Any] | None = None
    threads: list[threading.Thread] = field(default_factory=list)


class Endpoints:
    """All endpoints of the account."""

    def __init__(
        self,
        account: Account,
        bus: EventBus,
        processes: Processes,
        tags: Tags,
        *,
        registry: Registry,
        models: Catalogue,
        configs: Catalogue,
    ) -> None:
        self._account = account
        self._bus = bus
        self._processes = processes
        self._tags = tags
        self._registry = registry
        self._models = models
        self._configs = configs
        self._endpoints: dict[str, Endpoint] = {}

    def create_endpoint(self, request: Request) -> Response:
        """CreateEndpoint. A container that does not answer /ping leaves the endpoint Failed."""
        name = request["EndpointName"]
        arn = self._account.arn("endpoint", name)
        with self._account.changed:
            if name in self._endpoints:
                raise AwsError(
                    "ValidationException", f'Cannot create already existing endpoint "{arn}".'
                )
            config = dict(self._configs.record(request["EndpointConfigName"]))
            plans = self._plans(config)
            created = now()
            record = {
                "EndpointName": name,
                "EndpointArn": arn,
                "EndpointConfigName": request["EndpointConfigName"],
                "CreationTime": created,
                "LastModifiedTime": created,
            }
            endpoint = self._endpoints[name] = Endpoint(record)
            self._tags.keep(arn, request.get("Tags", []))
            self._change(endpoint, "Creating")
            self._in_background(endpoint, self._deploy, endpoint, config, plans, request)
        return {"EndpointArn": arn}

    def update_endpoint(self, request: Request) -> Response:
        """UpdateEndpoint, blue/green: the old fleet answers until the new one does.

        If the new one never does, the endpoint is InService on the old configuration again, with
        the reason in FailureReason.
        """
        with self._account.changed:
            endpoint = self._settled(request["EndpointName"])
            if endpoint.fleet is None:
                raise AwsError(
                    "ValidationException",
                    f'Cannot update endpoint "{endpoint.record["EndpointArn"]}": it has Failed; '
                    "delete it and create it again.",
                )
            config = dict(self._configs.record(request["EndpointConfigName"]))
            plans = self._plans(config)
            endpoint.record.pop("FailureReason", None)
            endpoint.pending = {
                "EndpointConfigName": request["EndpointConfigName"],
                "StartTime": now(),
            }
            self._change(endpoint, "Updating")
            self._in_background(endpoint, self._deploy, endpoint, config, plans, request)
        return {"EndpointArn": endpoint.record["EndpointArn"]}

    def describe_endpoint(self, request: Request) -> Response:
        """DescribeEndpoint."""
        with self._account.changed:
            return self._described(self._endpoint(request["EndpointName"]))

    def list_endpoints(self, request: Request) -> Response:
        """ListEndpoints, newest first unless asked otherwise."""
        with self._account.changed:
            page, more = paging.listed(
                (it.record for it in self._endpoints.values()),
                request,
                name="EndpointName",
                exact={"StatusEquals": "EndpointStatus"},
            )
            summaries = [shapes.summary("EndpointSummary", it) for it in page]
        return {"Endpoints": summaries, **more}

    def delete_endpoint(self, request: Request) -> Response:
        """DeleteEndpoint; refused while it is being created, updated or deleted."""
        with self._account.changed:
            endpoint = self._settled(request["EndpointName"])
            self._change(endpoint, "Deleting")
            self._in_background(endpoint, self._remove, endpoint)
        return {}

    def invoke(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """InvokeEndpoint: status, headers and body of the response."""
        given = {header.lower(): value for header, value in headers.items()}
        if len(body) > MAX_BODY:
            return _error(
                413,
                "ValidationError",
                f"The request has {len(body)} bytes; {MAX_BODY} is the most.",
            )
        with self._account.changed:
            endpoint = self._endpoints.get(name)
            fleet = endpoint.fleet if endpoint else None
            if fleet is None:
                return _error(
                    400,
                    "ValidationError",
                    f"Endpoint {name} of account {self._account.id} not found.",
                )
            fleet.enter()
        try:
            return self._ask(fleet, name, body, given)
        finally:
            fleet.leave()

    def close(self) -> None:
        """Stop every fleet, what was captured written first."""
        with self._account.changed:
            endpoints = list(self._endpoints.values())
        for endpoint in endpoints:
            for thread in endpoint.threads:
                thread.join()
            if endpoint.fleet:
                endpoint.fleet.stop()

    def _ask(self, fleet: Fleet, name: str, body: bytes, given: Mapping[str, str]) -> Answer:
        target = given.get("x-amzn-sagemaker-target-variant")
        variant = fleet.choose(target, random.random)
        if variant is None:
            return _error(
                400, "ValidationError", f"Variant {target} of endpoint {name} was not found."
            )
        asked = Payload(body, given.get("content-type", "application/json"))
        passed_on = {
            "Content-Type": asked.content_type,
            "Accept": given.get("accept", "*/*"),
            **{
                header: given[header]
                for header in ("x-amzn-sagemaker-custom-attributes",)
                if header in given
            },
        }
        try:
            response = fleet.ask(variant, body, passed_on)
        except urllib3.exceptions.TimeoutError:
            return self._model_error(
                name,
                0,
                "Your invocation timed out while waiting for a response from container primary.",
            )
        except urllib3.exceptions.HTTPError as error:
            return self._model_error(name, 503, f"The container primary did not answer: {error}.")
        content_type = response.headers.get("Content-Type", "application/json")
        if response.status != 200:
            text = response.data.decode(errors="replace")[:MESSAGE_LIMIT]
            blame = "client" if response.status < 500 else "server"
            return self._model_error(
                name,
                response.status,
                f'Received {blame} error ({response.status}) from primary with message "{text}".',
                text,
            )
        if variant.capture:
            variant.capture.add(
                asked,
                Payload(response.data, content_type),
                given.get("x-amzn-sagemaker-inference-id"),
            )
        return (
            200,
            {"Content-Type": content_type, "x-Amzn-Invoked-Production-Variant": variant.name},
            response.data,
        )

    def _model_error(self, name: str, status: int, message: str, original: str = "") -> Answer:
        group = f"/aws/sagemaker/Endpoints/{name}"
        region, account = self._account.region, self._account.id
        see = (
            f" See https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}"
            f"#logEventViewer:group={group} in account {account} for more information."
        )
        return _error(
            424,
            "ModelError",
            message + see,
            OriginalStatusCode=status,
            OriginalMessage=original,
            LogStreamArn=f"arn:aws:logs:{region}:{account}:log-group:{group}",
        )

    def _plans(self, config: Mapping[str, Any]) -> list[Plan]:
        """What the variants of a configuration are made of, as it is at this moment."""
        plans = []
        for variant in config["ProductionVariants"]:
            model = self._models.record(variant["ModelName"])
            container = model.get("PrimaryContainer") or model["Containers"][0]
            package = container.get("ModelPackageName")
            if package:
                first = self._registry.containers(package)[0]
                merged = {**first.get("Environment", {}), **container.get("Environment", {})}
                container = {**first, **container, "Environment": merged}
            plans.append(Plan(variant, container, model["ExecutionRoleArn"]))
        return plans

    def _deploy(
        self, endpoint: Endpoint, config: dict[str, Any], plans: list[Plan], request: Request
    ) -> None:
        """Bring up a fleet; then it is the endpoint's, and the old one retires."""
        name = endpoint.record["EndpointName"]
        fleet = Fleet(
            self._account,
            self._processes,
            name,
            config,
            self._account.workdir / "endpoints" / name / f"i-{secrets.token_hex(8)}",
        )
        try:
            fleet.start(plans)
        except DeploymentError as error:
            failure = str(error)
        except Exception as error:  # whatever it is, the endpoint must come to rest
            logging.getLogger(__name__).exception("the laptop's own fault deploying %s", name)
            fleet.stop()
            failure = f"InternalServerError: {error}"
        else:
            failure = ""
        with self._account.changed:
            old, endpoint.pending = endpoint.fleet, None
            if failure:
                endpoint.record["FailureReason"] = failure[:MESSAGE_LIMIT]
            else:
                endpoint.fleet = fleet
                endpoint.capture = config.get("DataCaptureConfig")
                endpoint.record["EndpointConfigName"] = config["EndpointConfigName"]
                if "DeploymentConfig" in request:
                    endpoint.record["LastDeploymentConfig"] = request["DeploymentConfig"]
            self._change(endpoint, "InService" if endpoint.fleet else "Failed")
        if old and not failure:
            old.retire()

    def _remove(self, endpoint: Endpoint) -> None:
        with self._account.changed:
            fleet, endpoint.fleet = endpoint.fleet, None
        if fleet:
            fleet.retire()
        with self._account.changed:
            del self._endpoints[endpoint.record["EndpointName"]]
            self._tags.drop(endpoint.record["EndpointArn"])
            self._account.changed.notify_all()

    def _in_background(self, endpoint: Endpoint, work: Any, *arguments: Any) -> None:
        thread = threading.Thread(
            target=work, args=arguments, name=endpoint.record["EndpointName"], daemon=True
        )
        endpoint.threads = [it for it in endpoint.threads if it.is_alive()] + [thread]
        thread.start()

    def _change(self, endpoint: Endpoint, status: str) -> None:
        """Set the status, tell EventBridge, wake whoever waits (the lock is held)."""
        endpoint.record |= {"EndpointStatus": status, "LastModifiedTime": now()}
        described = self._described(endpoint)
        self._bus.send(
            events.endpoint(
                described,
                described.get("ProductionVariants", []),
                self._tags.of(endpoint.record["EndpointArn"]),
            )
        )
        self._account.changed.notify_all()

    def _described(self, endpoint: Endpoint) -> dict[str, Any]:
        record = dict(endpoint.record)
        if endpoint.fleet:
            record["ProductionVariants"] = [
                {
                    "VariantName": variant.name,
                    "DeployedImages": [
                        {"SpecifiedImage": variant.image, "ResolvedImage": variant.image}
                    ],
                    "CurrentWeight": variant.weight,
                    "DesiredWeight": variant.weight,
                    "CurrentInstanceCount": variant.instances,
                    "DesiredInstanceCount": variant.instances,
                }
                for variant in endpoint.fleet.variants.values()
            ]
        if endpoint.capture:
            enabled = endpoint.capture.get("EnableCapture", True)
            record["DataCaptureConfig"] = {
                "EnableCapture": enabled,
                "CaptureStatus": "Started" if enabled else "Stopped",
                "CurrentSamplingPercentage": endpoint.capture["InitialSamplingPercentage"],
                "DestinationS3Uri": endpoint.capture["DestinationS3Uri"],
                "KmsKeyId": endpoint.capture.get("KmsKeyId", ""),
            }
        if endpoint.pending:
            record["PendingDeploymentSummary"] = endpoint.pending
        return shapes.response("DescribeEndpoint", record)

    def _endpoint(self, name: str) -> Endpoint:
        if name not in self._endpoints:
            arn = self._account.arn("endpoint", name)
            raise AwsError("ValidationException", f'Could not find endpoint "{arn}".')
        return self._endpoints[name]

    def _settled(self, name: str) -> Endpoint:
        """An endpoint that nothing is being done to."""
        endpoint = self._endpoint(name)
        if endpoint.record["EndpointStatus"] in IN_PROGRESS:
            raise AwsError(
                "ValidationException",
                f'Cannot update in-progress endpoint "{endpoint.record["EndpointArn"]}".',
            )
        return endpoint


def _error(status: int, code: str, message: str, **members: Any) -> Answer:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return status, headers, json.dumps({"Message": message, **members}).encode()
