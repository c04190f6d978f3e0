"""Documents in S3 that several writers share."""

import json

import pytest
from botocore.exceptions import ClientError

from components.runtime.document import Conflict, Document, canonical, create_json, read_json
from tests.runtime.fakes import S3, Clock, refusal


@pytest.fixture
def document() -> Document:
    return Document(S3(Clock()), "bucket", "state/x.json")


def test_a_document_that_nobody_wrote_is_none(document: Document) -> None:
    assert document.read() == (None, None)


def test_what_is_written_is_read(document: Document) -> None:
    etag = document.write({"a": "ä"}, None)
    assert document.read() == ({"a": "ä"}, etag)
    document.write({"a": 2}, etag)
    assert document.read()[0] == {"a": 2}


def test_of_two_who_create_one_wins(document: Document) -> None:
    document.write(1, None)
    with pytest.raises(Conflict, match="was changed by another"):
        document.write(2, None)
    assert document.read()[0] == 1


def test_of_two_who_change_the_same_version_one_wins(document: Document) -> None:
    etag = document.write(1, None)
    document.write(2, etag)
    with pytest.raises(Conflict):
        document.write(3, etag)
    assert document.read()[0] == 2


def test_a_document_deleted_meanwhile_is_a_lost_race(document: Document) -> None:
    etag = document.write(1, None)
    document.s3.delete_object(Bucket="bucket", Key="state/x.json")
    with pytest.raises(Conflict):
        document.write(2, etag)


def test_an_object_is_created_once(document: Document) -> None:
    assert create_json(document.s3, "bucket", "k", 1)
    assert not create_json(document.s3, "bucket", "k", 2)
    assert read_json(document.s3, "bucket", "k") == 1
    assert read_json(document.s3, "bucket", "other") is None


@pytest.mark.parametrize("call", ["get_object", "put_object"])
def test_other_errors_are_raised(
    document: Document, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(**_: object) -> None:
        raise refusal("AccessDenied")

    monkeypatch.setattr(document.s3, call, denied)
    with pytest.raises(ClientError, match="AccessDenied"):
        document.read() if call == "get_object" else document.write(1, None)


def test_canonical_json_is_one_text_for_one_value() -> None:
    assert canonical({"b": 1, "a": [1, "ä"]}) == '{"a":[1,"ä"],"b":1}'
    assert canonical({"b": 1, "a": 2}) == canonical(json.loads('{"a": 2, "b": 1}'))
