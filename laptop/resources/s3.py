"""Buckets of Amazon S3, their settings and their objects."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from ..errors import LaptopError
from .handler import Call, Cloud, Handler, Mistake, Naming, Put, Where, is_gone, with_tags
from .shape import Field, Properties, Shape, from_aws, own, same, single, to_aws

# Route 53 hosted zones of S3 website endpoints (AWS General Reference, "Amazon S3 endpoints").
_HOSTED_ZONES = {"eu-west-1": "Z1BKCTXD74EZPE", "us-east-1": "Z3AQBSTGFYJSTF"}

_DELETE_BATCH = 1000  # DeleteObjects takes this many keys


class Bucket(Handler):
    """``aws:s3/bucket:Bucket``; its settings have types of their own."""

    type = "aws:s3/bucket:Bucket"
    shape: ClassVar[Shape] = own(
        "bucket", "bucketPrefix", "forceDestroy", "objectLockEnabled", "tags"
    )
    key = ("bucket",)
    replaces = frozenset({"bucket", "bucketPrefix", "objectLockEnabled"})
    defaults: ClassVar[Properties] = {"forceDestroy": False}
    naming = Naming("bucket", 63, "bucketPrefix", lower=True)
    computed = frozenset({"objectLockEnabled"})
    unread = frozenset({"forceDestroy", "objectLockEnabled"})
    id = "{bucket}"
    arn = "arn:{partition}:s3:::{bucket}"

    def preview(self, where: Where, inputs: Properties) -> Properties:
        name = inputs["bucket"]
        return super().preview(where, inputs) | {
            "bucketDomainName": f"{name}.s3.amazonaws.com",
            "bucketRegion": where.region,
            "bucketRegionalDomainName": f"{name}.s3.{where.region}.amazonaws.com",
            "hostedZoneId": _HOSTED_ZONES.get(where.region, ""),
            "tagsAll": inputs.get("tags") or {},
        }

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        params: dict[str, Any] = {"Bucket": inputs["bucket"]}
        if where.region != "us-east-1":  # the one region that must not be named
            params["CreateBucketConfiguration"] = {"LocationConstraint": where.region}
        if inputs.get("objectLockEnabled"):
            params["ObjectLockEnabledForBucket"] = True
        return [Call("s3", "CreateBucket", params), *self._tags(inputs)]

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        del where
        if "tags" not in changed:
            return []
        return self._tags(new) or [Call("s3", "DeleteBucketTagging", {"Bucket": old["bucket"]})]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties:
        bucket = {"Bucket": old["bucket"]}
        cloud.send(Call("s3", "HeadBucket", bucket))
        tags = _or_none(cloud, Call("s3", "GetBucketTagging", bucket)) or {"TagSet": []}
        found = {tag["Key"]: tag["Value"] for tag in tags["TagSet"]}
        # Whether to empty it on deletion is ours to remember: S3 does not know.
        return {"bucket": old["bucket"], "forceDestroy": old["forceDestroy"], **with_tags(found)}

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [Call("s3", "DeleteBucket", {"Bucket": old["bucket"]})]

    def delete(self, cloud: Cloud, old: Properties) -> None:
        """Delete the bucket: with ``forceDestroy`` all that it holds, every version, goes first.

        Raises botocore's ClientError BucketNotEmpty without it.
        """
        if old["forceDestroy"]:
            _empty(cloud, old["bucket"])
        super().delete(cloud, old)

    def _tags(self, inputs: Properties) -> list[Call]:
        tags = inputs.get("tags")
        if not tags:
            return []
        params = {"Bucket": inputs["bucket"], "Tagging": {"TagSet": _tag_set(tags)}}
        return [Call("s3", "PutBucketTagging", params)]


class _Setting(Put):
    """A setting of a bucket: written as a whole, known by its bucket."""

    put: ClassVar[str]
    get: ClassVar[str]
    remove: ClassVar[str]
    body: ClassVar[str]
    key = ("bucket",)
    replaces = frozenset({"bucket"})
    id = "{bucket}"

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        return [Call("s3", self.put, {"Bucket": inputs["bucket"], self.body: self.encode(inputs)})]

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [Call("s3", self.remove, {"Bucket": old["bucket"]})]

    def fetch(self, cloud: Cloud, old: Properties) -> Properties | None:
        answer = cloud.send(Call("s3", self.get, {"Bucket": old["bucket"]}))
        found = self.decode(answer)
        return {"bucket": old["bucket"], **found} if found else None

    def encode(self, inputs: Properties) -> Any:
        """The body of the request."""
        return to_aws(self.shape, inputs)

    def decode(self, answer: Mapping[str, Any]) -> Properties:
        """The properties in an answer; empty if the bucket has no such setting."""
        return from_aws(self.shape, answer.get(self.body, {}))


class BucketVersioning(_Setting):
    """``aws:s3/bucketVersioning:BucketVersioning``; S3 can only suspend it, not take it away."""

    type = "aws:s3/bucketVersioning:BucketVersioning"
    put, get, body = "PutBucketVersioning", "GetBucketVersioning", "VersioningConfiguration"
    _state: ClassVar[Shape] = {**same("status"), "mfaDelete": Field("MFADelete")}
    shape: ClassVar[Shape] = {**own("bucket"), "versioningConfiguration": Field(of=_state)}

    def encode(self, inputs: Properties) -> Any:
        return to_aws(self._state, inputs["versioningConfiguration"])

    def decode(self, answer: Mapping[str, Any]) -> Properties:
        state = from_aws(self._state, answer)
        return {"versioningConfiguration": state} if state else {}

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        if old["versioningConfiguration"].get("status") != "Enabled":
            return []
        suspended = {"Bucket": old["bucket"], self.body: {"Status": "Suspended"}}
        return [Call("s3", self.put, suspended)]


class BucketServerSideEncryptionConfiguration(_Setting):
    """``aws:s3/bucketServerSideEncryptionConfiguration:...``: how objects are encrypted."""

    type = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    put, get, remove = "PutBucketEncryption", "GetBucketEncryption", "DeleteBucketEncryption"
    body = "ServerSideEncryptionConfiguration"
    _default: ClassVar[Shape] = {
        "sseAlgorithm": Field("SSEAlgorithm"),
        "kmsMasterKeyId": Field("KMSMasterKeyID"),
    }
    shape: ClassVar[Shape] = {
        **own("bucket"),
        "rules": Field(
            "Rules",
            {
                "applyServerSideEncryptionByDefault": Field(
                    "ApplyServerSideEncryptionByDefault", _default
                ),
                **same("bucketKeyEnabled"),
                "blockedEncryptionTypes": Field(
                    "BlockedEncryptionTypes",
                    encode=lambda types: {"EncryptionType": types},
                    decode=lambda blocked: blocked.get("EncryptionType"),
                ),
            },
        ),
    }


class BucketPublicAccessBlock(_Setting):
    """``aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock``."""

    type = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    put, get, remove = "PutPublicAccessBlock", "GetPublicAccessBlock", "DeletePublicAccessBlock"
    body = "PublicAccessBlockConfiguration"
    shape: ClassVar[Shape] = {
        **own("bucket", "skipDestroy"),
        **same("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls"),
        **same("restrictPublicBuckets"),
    }
    defaults: ClassVar[Properties] = {
        "blockPublicAcls": False,
        "blockPublicPolicy": False,
        "ignorePublicAcls": False,
        "restrictPublicBuckets": False,
    }
    unread = frozenset({"skipDestroy"})

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        return [] if old.get("skipDestroy") else super().deletion(where, old)


class BucketOwnershipControls(_Setting):
    """``aws:s3/bucketOwnershipControls:BucketOwnershipControls``."""

    type = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    put, get = "PutBucketOwnershipControls", "GetBucketOwnershipControls"
    remove, body = "DeleteBucketOwnershipControls", "OwnershipControls"
    shape: ClassVar[Shape] = {**own("bucket"), "rule": single("Rules", same("objectOwnership"))}


_AND = {
    **same("objectSizeGreaterThan", "objectSizeLessThan", "prefix"),
    "tags": Field(
        "Tags",
        encode=lambda tags: _tag_set(tags),
        decode=lambda tags: {tag["Key"]: tag["Value"] for tag in tags} or None,
    ),
}
_FILTER = {
    "and": Field("And", _AND),
    **same("objectSizeGreaterThan", "objectSizeLessThan", "prefix"),
    "tag": Field("Tag", same("key", "value")),
}


class BucketLifecycleConfiguration(_Setting):
    """``aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration``."""

    type = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    put, get = "PutBucketLifecycleConfiguration", "GetBucketLifecycleConfiguration"
    remove, body = "DeleteBucketLifecycle", "LifecycleConfiguration"
    no_effect: ClassVar[dict[str, str]] = {
        "rules": "they count in days, and the laptop AWS does not live for one",
    }
    shape: ClassVar[Shape] = {
        **own("bucket"),
        "rules": Field(
            "Rules",
            {
                "id": Field("ID"),
                **same("status", "prefix"),
                "filter": Field("Filter", _FILTER),
                "abortIncompleteMultipartUpload": Field(
                    "AbortIncompleteMultipartUpload", same("daysAfterInitiation")
                ),
                "expiration": Field(
                    "Expiration", same("date", "days", "expiredObjectDeleteMarker")
                ),
                "noncurrentVersionExpiration": Field(
                    "NoncurrentVersionExpiration", same("noncurrentDays", "newerNoncurrentVersions")
                ),
                "noncurrentVersionTransitions": Field(
                    "NoncurrentVersionTransitions",
                    same("noncurrentDays", "newerNoncurrentVersions", "storageClass"),
                ),
                "transitions": Field("Transitions", same("date", "days", "storageClass")),
            },
        ),
    }

    def encode(self, inputs: Properties) -> Any:
        rules = to_aws(self.shape, inputs)["Rules"]
        # S3 wants a filter (or the older prefix) in every rule; the provider sends an empty one.
        return {"Rules": [r if "Prefix" in r else {"Filter": {"Prefix": ""}} | r for r in rules]}

    def decode(self, answer: Mapping[str, Any]) -> Properties:
        return from_aws(self.shape, answer)


class BucketPolicy(_Setting):
    """``aws:s3/bucketPolicy:BucketPolicy``: who may use a bucket."""

    type = "aws:s3/bucketPolicy:BucketPolicy"
    put, get, remove, body = "PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy", "Policy"
    shape: ClassVar[Shape] = own("bucket", "policy")

    def encode(self, inputs: Properties) -> Any:
        return inputs["policy"]

    def decode(self, answer: Mapping[str, Any]) -> Properties:
        return {"policy": answer["Policy"]}


class BucketNotification(_Setting):
    """``aws:s3/bucketNotification:BucketNotification``: events to EventBridge."""

    type = "aws:s3/bucketNotification:BucketNotification"
    put = "PutBucketNotificationConfiguration"
    get = "GetBucketNotificationConfiguration"
    body = "NotificationConfiguration"
    shape: ClassVar[Shape] = own("bucket", "eventbridge")
    defaults: ClassVar[Properties] = {"eventbridge": False}

    def encode(self, inputs: Properties) -> Any:
        return {"EventBridgeConfiguration": {}} if inputs["eventbridge"] else {}

    def decode(self, answer: Mapping[str, Any]) -> Properties:
        return {"eventbridge": "EventBridgeConfiguration" in answer}

    def deletion(self, where: Where, old: Properties) -> list[Call]:
        del where
        return [Call("s3", self.put, {"Bucket": old["bucket"], self.body: {}})]


_BODIES = frozenset({"content", "contentBase64", "source"})
_OBJECT = {
    **same("bucket", "key", "cacheControl", "contentDisposition", "contentEncoding"),
    **same("contentLanguage", "contentType", "metadata", "serverSideEncryption", "storageClass"),
    "bucketKeyEnabled": Field("BucketKeyEnabled"),
    "kmsKeyId": Field("SSEKMSKeyId"),
}


class BucketObjectv2(Handler):
    """``aws:s3/bucketObjectv2:BucketObjectv2``: one object, from an asset or a string."""

    type = "aws:s3/bucketObjectv2:BucketObjectv2"
    shape: ClassVar[Shape] = {
        **_OBJECT,
        **own("content", "contentBase64", "source", "sourceHash", "forceDestroy", "tags"),
    }
    key = ("bucket", "key")
    replaces = frozenset({"bucket", "key"})
    defaults: ClassVar[Properties] = {
        "contentType": "application/octet-stream",
        "forceDestroy": False,
        "storageClass": "STANDARD",
    }
    id = "{bucket}/{key}"
    arn = "arn:{partition}:s3:::{bucket}/{key}"
    observes: ClassVar[dict[str, str]] = {"VersionId": "versionId", "ETag": "etag"}
    computed = frozenset(
        {"bucketKeyEnabled", "contentType", "kmsKeyId", "serverSideEncryption", "storageClass"}
    )
    unread = frozenset({*_BODIES, "forceDestroy", "sourceHash"})
    digests: ClassVar[dict[str, frozenset[str]]] = {"etag": _BODIES}
    follows: ClassVar[dict[str, frozenset[str]]] = {
        "etag": _BODIES | {"sourceHash"},
        "versionId": _BODIES | {"sourceHash"},
    }

    def preview(self, where: Where, inputs: Properties) -> Properties:
        return super().preview(where, inputs) | {"tagsAll": inputs.get("tags") or {}}

    def mistakes(self, inputs: Properties) -> Iterator[Mistake]:
        yield from super().mistakes(inputs)
        if not inputs.get("key"):
            yield Mistake("key", "an object needs a name in its bucket: give 'key'")
        bodies = sorted(inputs.keys() & _BODIES)
        if len(bodies) > 1:
            yield Mistake(bodies[0], f"an object takes one of {bodies}: leave out the others")

    def creation(self, where: Where, inputs: Properties) -> list[Call]:
        del where
        params = to_aws(_OBJECT, inputs) | {"Body": _body(inputs)}
        if tags := inputs.get("tags"):
            params["Tagging"] = urlencode(tags)
        return [Call("s3", "PutObject", params)]

    def change(
        self, where: Where, changed: frozenset[str], old: Properties, new: Properties
    ) -> list[Call]:
        if changed - {"tags", "forceDestroy"}:
            return self.creation(where, new)
        if "tags" not in changed:
            return []
        tags = {"TagSet": _tag_set(new.get("tags") or {})}
        return [Call("s3", "PutObjectTagging", {**_address(old), "Tagging": tags})]

    def observed(self, answer: Mapping[str, Any]) -> Properties:
        found = super().observed(answer)
        if "etag" in found:
            found["etag"] = found["etag"].strip('"')  # S3 quotes it, the provider does not
        return found

    def fetch(self, cloud: Cloud, old: Properties) -> Properties:
        answer = cloud.send(Call("s3", "HeadObject", _address(old)))
        tags = cloud.send(Call("s3", "GetObjectTagging", _address(old)))["TagSet"]
        return {
            "storageClass": "STANDARD",  # the one class that S3 does not name in its answer
            **{name: value for name, value in from_aws(_OBJECT, answer).items() if value != {}},
            **{name: old[name] for name in ("bucket", "key")},
            **self.observed(answer),
            **with_tags({tag["Key"]: tag["Value"] for tag in tags}),
        }

    def delete(self, cloud: Cloud, old: Properties) -> None:
        """Delete the object; in a versioned bucket every version of it, as the provider does."""
        _empty(cloud, old["bucket"], old["key"])


def _address(properties: Properties) -> dict[str, Any]:
    return {"Bucket": properties["bucket"], "Key": properties["key"]}


def _body(inputs: Properties) -> bytes:
    if "contentBase64" in inputs:
        return base64.b64decode(inputs["contentBase64"])
    source = inputs.get("source", inputs.get("content", ""))
    return source if isinstance(source, bytes) else str(source).encode()


def _tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _or_none(cloud: Cloud, call: Call) -> dict[str, Any] | None:
    try:
        return cloud.send(call)
    except ClientError as error:
        if is_gone(error):
            return None
        raise


def _empty(cloud: Cloud, bucket: str, key: str | None = None) -> None:
    """Delete every version and delete marker in a bucket, or of one key."""
    client = cloud.client("s3")
    pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key or "")
    try:
        for page in pages:
            versions = [
                {"Key": version["Key"], "VersionId": version["VersionId"]}
                for kind in ("Versions", "DeleteMarkers")
                for version in page.get(kind, ())
                if key is None or version["Key"] == key
            ]
            for start in range(0, len(versions), _DELETE_BATCH):
                batch = {"Objects": versions[start : start + _DELETE_BATCH], "Quiet": True}
                answer = cloud.send(
                    Call("s3", "DeleteObjects", {"Bucket": bucket, "Delete": batch})
                )
                for refused in answer.get("Errors", ()):
                    raise LaptopError(
                        f"{refused['Key']} stays in {bucket}: "
                        f"{refused['Code']}: {refused['Message']}"
                    )
    except ClientError as error:
        if not is_gone(error):
            raise
