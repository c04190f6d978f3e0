"""Moving files between S3 and a directory, as SageMaker does for a job: with the job's role."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import botocore.exceptions


class TransferError(Exception):
    """S3 and the directory could not be brought together; the message is SageMaker's reason."""


def parse(uri: str) -> tuple[str, str]:
    """Bucket and key (or prefix) of ``s3://bucket/key``."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def relative(prefix: str, key: str) -> str:
    """Where an object goes under the directory that its prefix is downloaded to.

    A prefix is a plain prefix: ``data/a`` also selects ``data/ab.csv``.
    """
    rest = key[len(prefix) :]
    if prefix.endswith("/") or not prefix:
        return rest
    if rest.startswith("/"):
        return rest.lstrip("/")
    return PurePosixPath(prefix).name + rest


class Storage:
    """S3 as one role sees it."""

    def __init__(self, client: Any, role_arn: str, region: str) -> None:
        self._client = client
        self._role_arn = role_arn
        self._region = region

    def read(self, uri: str) -> bytes:
        """The bytes of one object.

        :raises TransferError: if it cannot be read.
        """
        bucket, key = parse(uri)
        try:
            return bytes(self._client.get_object(Bucket=bucket, Key=key)["Body"].read())
        except botocore.exceptions.ClientError as error:
            raise TransferError(f"Failed to read {uri}: {error}") from error

    def download(self, uri: str, kind: str, directory: Path) -> None:
        """Bring what an input names into a directory.

        :param kind: ``S3Prefix`` (every object under the URI) or ``ManifestFile`` (the objects
            that a manifest lists; source: API reference, S3DataSource).
        :raises TransferError: if there is nothing, or it may not be read.
        """
        directory.mkdir(parents=True, exist_ok=True)
        try:
            objects = list(self._manifest(uri) if kind == "ManifestFile" else self._prefix(uri))
            for bucket, key, path in objects:
                self.fetch(bucket, key, _inside(directory, path))
        except botocore.exceptions.ClientError as error:
            raise TransferError(f"Data download failed:{error} (input {uri})") from error
        if not objects:
            bucket, _ = parse(uri)
            raise TransferError(
                f'Data download failed:No S3 objects found under S3 URL "{uri}" given in input '
                f"data source. Please ensure that the bucket exists in the selected region "
                f"({self._region}), that objects exist under that S3 prefix, and that the role "
                f'"{self._role_arn}" has "s3:ListBucket" permissions on bucket "{bucket}".'
            )

    def fetch(self, bucket: str, key: str, file: Path) -> None:
        """Bring one object into a file, in constant memory."""
        file.parent.mkdir(parents=True, exist_ok=True)
        body = self._client.get_object(Bucket=bucket, Key=key)["Body"]
        with file.open("wb") as target:
            shutil.copyfileobj(body, target, 1 << 20)

    def upload(self, directory: Path, uri: str, kms_key: str | None = None) -> None:
        """Put every file under a directory below an S3 URI, in the order of the names.

        :raises TransferError: if one may not be written.
        """
        for file in sorted(path for path in directory.rglob("*") if path.is_file()):
            self.put(file, f"{uri.rstrip('/')}/{file.relative_to(directory).as_posix()}", kms_key)

    def put(self, file: Path, uri: str, kms_key: str | None = None) -> None:
        """Write one file as one object.

        :param kms_key: encrypt under this KMS key.
        :raises TransferError: if it may not be written.
        """
        bucket, key = parse(uri)
        encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key} if kms_key else {}
        try:
            with file.open("rb") as body:
                self._client.put_object(Bucket=bucket, Key=key, Body=body, **encryption)
        except botocore.exceptions.ClientError as error:
            raise TransferError(f"Data upload failed:{error} (output {uri})") from error

    def _prefix(self, uri: str) -> Iterator[tuple[str, str, str]]:
        bucket, prefix = parse(uri)
        for page in self._client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix
        ):
            for item in page.get("Contents", []):
                if not item["Key"].endswith("/"):
                    yield bucket, item["Key"], relative(prefix, item["Key"])

    def _manifest(self, uri: str) -> Iterator[tuple[str, str, str]]:
        try:
            head, *names = json.loads(self.read(uri))
            base = head["prefix"]
        except (ValueError, KeyError, TypeError) as error:
            raise TransferError(
                f"Data download failed:{uri} is no manifest: it must be a JSON list of one "
                f'{{"prefix": "s3://..."}} and then names'
            ) from error
        for name in names:
            bucket, key = parse(base + name)
            yield bucket, key, name


def _inside(directory: Path, path: str) -> Path:
    """A path below a directory; a key with ``..`` in it would lead out."""
    target = directory / path
    if not target.resolve().is_relative_to(directory.resolve()):
        raise TransferError(f"Data download failed:the key {path!r} leads out of its directory")
    return target
