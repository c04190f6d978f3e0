"""The model registry: groups of packages, and the versions in them."""

from collections.abc import Mapping
from typing import Any

from laptop.errors import AwsError

from . import events, paging, shapes
from .account import Account, now
from .events import EventBus
from .tags import Tags

Request = Mapping[str, Any]
Response = dict[str, Any]

STATUS_DETAILS: Mapping[str, Any] = {"ValidationStatuses": [], "ImageScanStatuses": []}


class Registry:
    """All groups and packages of the account."""

    def __init__(self, account: Account, bus: EventBus, tags: Tags) -> None:
        self._account = account
        self._bus = bus
        self._tags = tags
        self._groups: dict[str, dict[str, Any]] = {}
        self._packages: dict[str, dict[str, Any]] = {}
        self._tokens: dict[str, str] = {}

    def create_model_package_group(self, request: Request) -> Response:
        """CreateModelPackageGroup."""
        name = request["ModelPackageGroupName"]
        arn = self._group_arn(name)
        with self._account.changed:
            if arn in self._groups:
                raise AwsError("ValidationException", f"Model Package Group already exists: {arn}")
            self._groups[arn] = {
                **request,
                "ModelPackageGroupArn": arn,
                "CreationTime": now(),
                "CreatedBy": {},
                "ModelPackageGroupStatus": "Completed",
                "LastVersion": 0,
            }
            self._tags.keep(arn, request.get("Tags", []))
        return {"ModelPackageGroupArn": arn}

    def describe_model_package_group(self, request: Request) -> Response:
        """DescribeModelPackageGroup."""
        with self._account.changed:
            return shapes.response(
                "DescribeModelPackageGroup", self._group(request["ModelPackageGroupName"])
            )

    def list_model_package_groups(self, request: Request) -> Response:
        """ListModelPackageGroups."""
        with self._account.changed:
            page, more = paging.listed(
                self._groups.values(), request, name="ModelPackageGroupName", order="Ascending"
            )
            summaries = [shapes.summary("ModelPackageGroupSummary", it) for it in page]
        return {"ModelPackageGroupSummaryList": summaries, **more}

    def delete_model_package_group(self, request: Request) -> Response:
        """DeleteModelPackageGroup, refused while the group holds packages."""
        with self._account.changed:
            group = self._group(request["ModelPackageGroupName"])
            held = self._versions(group["ModelPackageGroupName"])
            if held:
                raise AwsError(
                    "ConflictException",
                    f"Model Package Group {group['ModelPackageGroupArn']} still holds {len(held)} "
                    "model packages; delete them first.",
                )
            del self._groups[group["ModelPackageGroupArn"]]
            self._tags.drop(group["ModelPackageGroupArn"])
        return {}

    def create_model_package(self, request: Request) -> Response:
        """CreateModelPackage: the next version of a group. The same ClientToken makes one only."""
        name = request.get("ModelPackageGroupName")
        if not name or "ModelPackageName" in request:
            raise AwsError(
                "ValidationException",
                "Give ModelPackageGroupName and no ModelPackageName: this registry keeps "
                "versioned packages only.",
            )
        with self._account.changed:
            group = self._group(name)
            token = f"{name} {request['ClientToken']}" if "ClientToken" in request else ""
            if token in self._tokens:
                return {"ModelPackageArn": self._tokens[token]}
            group["LastVersion"] += 1
            short = group["ModelPackageGroupName"]
            arn = self._account.arn("model-package", f"{short}/{group['LastVersion']}")
            created = now()
            self._packages[arn] = {
                **request,
                "ModelPackageGroupName": short,
                "ModelPackageName": f"{short}/{group['LastVersion']}",
                "ModelPackageVersion": group["LastVersion"],
                "ModelPackageArn": arn,
                "ModelPackageStatus": "Completed",
                "ModelPackageStatusDetails": STATUS_DETAILS,
                "ModelApprovalStatus": request.get("ModelApprovalStatus", "PendingManualApproval"),
                "CertifyForMarketplace": request.get("CertifyForMarketplace", False),
                "CreationTime": created,
                "LastModifiedTime": created,
                "CreatedBy": {},
            }
            if token:
                self._tokens[token] = arn
            self._tags.keep(arn, request.get("Tags", []))
            self._announce(arn)
        return {"ModelPackageArn": arn}

    def describe_model_package(self, request: Request) -> Response:
        """DescribeModelPackage, by ARN."""
        with self._account.changed:
            return shapes.response(
                "DescribeModelPackage", self._package(request["ModelPackageName"])
            )

    def list_model_packages(self, request: Request) -> Response:
        """ListModelPackages; oldest first unless asked otherwise."""
        with self._account.changed:
            asked = dict(request)
            if "ModelPackageGroupName" in asked:
                group = self._group(asked["ModelPackageGroupName"])
                asked["ModelPackageGroupName"] = group["ModelPackageGroupName"]
            page, more = paging.listed(
                self._packages.values(),
                asked,
                name="ModelPackageName",
                order="Ascending",
                exact={
                    "ModelPackageGroupName": "ModelPackageGroupName",
                    "ModelApprovalStatus": "ModelApprovalStatus",
                },
            )
            summaries = [shapes.summary("ModelPackageSummary", it) for it in page]
        return {"ModelPackageSummaryList": summaries, **more}

    def update_model_package(self, request: Request) -> Response:
        """UpdateModelPackage: approval, its description, and customer metadata."""
        with self._account.changed:
            package = self._package(request["ModelPackageArn"])
            metadata = {
                **package.get("CustomerMetadataProperties", {}),
                **request.get("CustomerMetadataProperties", {}),
            }
            for key in request.get("CustomerMetadataPropertiesToRemove", []):
                metadata.pop(key, None)
            changes = {
                member: request[member]
                for member in ("ModelApprovalStatus", "ApprovalDescription", "SourceUri")
                if member in request
            }
            package |= {
                **changes,
                "CustomerMetadataProperties": metadata,
                "LastModifiedTime": now(),
                "LastModifiedBy": {},
            }
            self._announce(package["ModelPackageArn"])
        return {"ModelPackageArn": package["ModelPackageArn"]}

    def delete_model_package(self, request: Request) -> Response:
        """DeleteModelPackage, by ARN. Its version is not given out again."""
        with self._account.changed:
            arn = self._package(request["ModelPackageName"])["ModelPackageArn"]
            del self._packages[arn]
            self._tags.drop(arn)
        return {}

    def containers(self, package: str) -> list[dict[str, Any]]:
        """The containers that a package is served by.

        :raises AwsError: ValidationException if there is no such package.
        """
        with self._account.changed:
            specification = self._package(package).get("InferenceSpecification", {})
            return list(specification.get("Containers", []))

    def _versions(self, group: str) -> list[dict[str, Any]]:
        return [it for it in self._packages.values() if it["ModelPackageGroupName"] == group]

    def _group_arn(self, name: str) -> str:
        return name if name.startswith("arn:") else self._account.arn("model-package-group", name)

    def _group(self, name: str) -> dict[str, Any]:
        arn = self._group_arn(name)
        if arn not in self._groups:
            raise AwsError("ValidationException", f"ModelPackageGroup {arn} does not exist.")
        return self._groups[arn]

    def _package(self, name: str) -> dict[str, Any]:
        arn = name if name.startswith("arn:") else self._account.arn("model-package", name)
        if arn not in self._packages:
            raise AwsError("ValidationException", f"ModelPackage {arn} does not exist.")
        return self._packages[arn]

    def _announce(self, arn: str) -> None:
        described = shapes.response("DescribeModelPackage", self._packages[arn])
        del described["ModelPackageName"], described["CreatedBy"]
        described.pop("LastModifiedBy", None)
        self._bus.send(events.model_package(described))
