"""The parts around a job: paths, archives, log batches, capture records, serving functions."""

import base64
import io
import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laptop.errors import LaptopError
from laptop.sagemaker import archives, capture, events, logs, serving, storage, training
from laptop.sagemaker.capture import Payload
from laptop.sagemaker.container import OptMl, RefusedError
from laptop.sagemaker.service import SageMaker


@pytest.mark.parametrize(
    ("text", "here"),
    [
        ("/opt/ml/model", "/job/model"),
        ("cat /opt/ml/a /opt/ml/b", "cat /job/a /job/b"),
        ("--out=/opt/ml", "--out=/job"),
        ("sh -c 'ls \"/opt/ml\"'", "sh -c 'ls \"/job\"'"),
        ("s3://bucket/opt/ml/x", "s3://bucket/opt/ml/x"),
        ("/opt/mlflow", "/opt/mlflow"),
        ("/usr/opt/ml", "/usr/opt/ml"),
    ],
)
def test_opt_ml_becomes_the_directory_of_the_job_and_nothing_else_does(
    text: str, here: str
) -> None:
    assert OptMl(Path("/job")).localise({"a": [text, 1]}) == {"a": [here, 1]}


def test_a_path_outside_opt_ml_is_refused() -> None:
    assert OptMl(Path("/job")).path("/opt/ml/input/x") == Path("/job/input/x")
    for path in ("/etc/passwd", "/opt/ml/../x", "relative"):
        with pytest.raises(RefusedError, match="does not lie below"):
            OptMl(Path("/job")).path(path)


@pytest.mark.parametrize(
    ("prefix", "key", "path"),
    [
        ("data/", "data/a.csv", "a.csv"),
        ("data", "data/in/a.csv", "in/a.csv"),
        ("data/a.csv", "data/a.csv", "a.csv"),
        ("data/a", "data/ab.csv", "ab.csv"),
        ("", "a.csv", "a.csv"),
    ],
)
def test_an_object_lands_where_its_prefix_ends(prefix: str, key: str, path: str) -> None:
    assert storage.relative(prefix, key) == path


def test_a_key_that_leads_out_of_the_directory_is_refused(tmp_path: Path) -> None:
    pages = [{"Contents": [{"Key": "data/../../../evil"}]}]
    client = SimpleNamespace(
        get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: pages),
        get_object=lambda **_: {"Body": io.BytesIO(b"x")},
    )
    target = tmp_path / "in" / "data"
    with pytest.raises(storage.TransferError, match="leads out"):
        storage.Storage(client, "role", "region").download("s3://b/data/", "S3Prefix", target)
    assert not (tmp_path / "evil").exists()


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def link(name: str, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../evil"),
        link("evil", "/etc/passwd"),
        link("evil", "../../outside"),
    ],
)
def test_an_archive_that_reaches_outside_is_refused(
    tmp_path: Path, member: tarfile.TarInfo
) -> None:
    bad = archive(tmp_path / "bad.tar.gz", (member, b""))
    with pytest.raises(archives.ArchiveError):
        archives.unpack(bad, tmp_path / "model")
    assert not (tmp_path / "evil").exists()


def test_an_archive_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_BYTES", 10)
    big = archive(tmp_path / "big.tar.gz", (tarfile.TarInfo("a"), b"x" * 11))
    with pytest.raises(archives.ArchiveError, match="more than 10 bytes"):
        archives.unpack(big, tmp_path / "model")
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1)
    many = archive(
        tmp_path / "many.tar.gz", (tarfile.TarInfo("a"), b""), (tarfile.TarInfo("b"), b"")
    )
    with pytest.raises(archives.ArchiveError, match="1 members"):
        archives.unpack(many, tmp_path / "other")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"pickle")
    with pytest.raises(archives.ArchiveError, match="could not be unpacked"):
        archives.unpack(tmp_path / "model.tar.gz", tmp_path / "model")


def test_the_same_files_make_the_same_archive(tmp_path: Path) -> None:
    for copy in ("one", "two"):
        (tmp_path / copy / "code").mkdir(parents=True)
        (tmp_path / copy / "code/inference.py").write_text("x = 1")
        (tmp_path / copy / "model.bin").write_bytes(b"\x00")
        archives.pack(tmp_path / copy, tmp_path / f"{copy}.tar.gz")
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()
    archives.unpack(tmp_path / "one.tar.gz", tmp_path / "three")
    assert (tmp_path / "three/code/inference.py").read_text() == "x = 1"


@given(st.lists(st.text(max_size=30), max_size=60))
def test_log_batches_keep_every_line_within_the_limits(lines: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logs, "MAX_EVENTS", 7)
        patch.setattr(logs, "MAX_BYTES", 300)
        batches = list(logs.batches(lines, 1))
    assert [event["message"] for batch in batches for event in batch] == [it or " " for it in lines]
    for batch in batches:
        size = sum(len(it["message"].encode()) + logs.EVENT_OVERHEAD for it in batch)
        assert len(batch) <= 7
        assert size <= 300


CONFIG: dict[str, Any] = {
    "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    "CaptureContentTypeHeader": {
        "CsvContentTypes": ["text/csv"],
        "JsonContentTypes": ["application/json"],
    },
}
MOMENT = datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)


def record(config: dict[str, Any], request: Payload, response: Payload) -> dict[str, Any]:
    line = capture.record(config, request, response, event_id="e", moment=MOMENT)
    assert "\n" not in line
    written: dict[str, Any] = json.loads(line)
    return written


@given(st.binary(max_size=40), st.sampled_from(["text/csv", "application/json", "image/png"]))
def test_a_body_is_read_back_from_its_capture_record(body: bytes, content_type: str) -> None:
    side = record(CONFIG, Payload(body, content_type), Payload(b"{}", "application/json"))
    written = side["captureData"]["endpointInput"]
    data = written["data"]
    decoded = base64.b64decode(data) if written["encoding"] == "BASE64" else data.encode()
    assert decoded == body
    assert written["observedContentType"] == content_type


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("text/csv", "CSV"),
        ("text/csv; charset=utf-8", "CSV"),
        ("application/json", "JSON"),
        ("application/x-npy", "BASE64"),
    ],
)
def test_the_content_type_decides_the_encoding(content_type: str, encoding: str) -> None:
    headers = CONFIG["CaptureContentTypeHeader"]
    assert capture.encoded(Payload(b"1", content_type), headers)["encoding"] == encoding


@pytest.mark.parametrize(
    ("modes", "sides"),
    [
        (["Input"], {"endpointInput"}),
        (["Output"], {"endpointOutput"}),
        (["InputAndOutput"], {"endpointInput", "endpointOutput"}),
    ],
)
def test_only_the_sides_that_are_asked_for_are_captured(modes: list[str], sides: set[str]) -> None:
    config = {**CONFIG, "CaptureOptions": [{"CaptureMode": mode} for mode in modes]}
    written = record(config, Payload(b"1", "text/csv"), Payload(b"{}", "application/json"))
    assert written["captureData"].keys() == sides
    assert written["eventMetadata"] == {"eventId": "e", "inferenceTime": "2026-03-04T05:06:07Z"}


@pytest.mark.parametrize(
    ("prefix", "folder"), [("capture", "capture/"), ("a/b/", "a/b/"), ("", "")]
)
def test_a_capture_file_lies_under_its_hour(prefix: str, folder: str) -> None:
    key = capture.key(prefix, "churn", "AllTraffic", MOMENT, "u")
    assert key == f"{folder}churn/AllTraffic/2026/03/04/05/06-07-089-u.jsonl"


def test_the_sampling_percentage_decides_what_is_captured() -> None:
    draws = iter([0.0, 0.29, 0.30, 0.99])
    puts: list[dict[str, Any]] = []
    client = SimpleNamespace(put_object=lambda **request: puts.append(request))
    config = {**CONFIG, "InitialSamplingPercentage": 30, "DestinationS3Uri": "s3://b/c"}
    sampled = capture.Capture(
        config, "churn", "A", client, flushed=lambda: None, draw=lambda: next(draws)
    )
    for number in range(4):
        sampled.add(Payload(str(number).encode(), "text/csv"), Payload(b"", "text/csv"))
    sampled.close()
    lines = [json.loads(it) for put in puts for it in put["Body"].splitlines()]
    assert [it["captureData"]["endpointInput"]["data"] for it in lines] == ["0", "1"]


def test_a_record_that_arrives_during_the_last_write_is_written_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(capture, "FLUSH_SECONDS", 0)
    puts: list[str] = []

    def put_object(**request: Any) -> None:
        puts.append(request["Body"])
        if len(puts) == 1:
            late.add(Payload(b"second", "text/csv"), Payload(b"", "text/csv"))
            late._closed.set()

    config = {**CONFIG, "InitialSamplingPercentage": 100, "DestinationS3Uri": "s3://b/c"}
    client = SimpleNamespace(put_object=put_object)
    late = capture.Capture(config, "churn", "A", client, flushed=lambda: None)
    late.add(Payload(b"first", "text/csv"), Payload(b"", "text/csv"))
    late.close()
    assert ["first" in puts[0], "second" in puts[1]] == [True, True]


def module(**functions: Any) -> ModuleType:
    it = ModuleType("inference")
    it.__dict__.update(model_fn=lambda _: SimpleNamespace(predict=lambda data: data * 2))
    it.__dict__.update(functions)
    return it


def test_the_default_functions_take_csv_json_and_npy() -> None:
    model = serving.Model(module(), "dir")
    assert model.answer(b"1,2\n3,4\n", "text/csv", "application/json") == (
        b"[[2.0, 4.0], [6.0, 8.0]]",
        "application/json",
    )
    assert model.answer(b"[1, 2]", "application/json; charset=utf-8", "text/csv") == (
        b"2.0,4.0\n",
        "text/csv",
    )
    packed = io.BytesIO()
    np.save(packed, np.array([1.5]))
    answer, _ = model.answer(packed.getvalue(), "application/x-npy", "application/x-npy")
    assert np.load(io.BytesIO(answer)).tolist() == [3.0]


@pytest.mark.parametrize(
    ("content_type", "accept"),
    [("image/png", "text/csv"), ("text/csv", "image/png")],
)
def test_a_format_that_the_defaults_do_not_know_is_unsupported(
    content_type: str, accept: str
) -> None:
    with pytest.raises(serving.UnsupportedFormatError):
        serving.Model(module(), "dir").answer(b"1,2", content_type, accept)


def test_a_users_own_functions_take_the_place_of_the_defaults() -> None:
    own = module(
        input_fn=lambda body, kind: (body, kind),
        predict_fn=lambda data, _model: data,
        output_fn=lambda result, accept: (f"{result} as {accept}", "text/plain"),
    )
    answer, content_type = serving.Model(own, "dir").answer(b"\xff", "image/png", "x/y")
    assert (answer, content_type) == (b"(b'\\xff', 'image/png') as x/y", "text/plain")


def test_transform_fn_and_the_three_functions_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="keep one way"):
        serving.transform_function(module(transform_fn=print, predict_fn=print))


def test_hyperparameters_reach_a_script_as_the_toolkit_gives_them() -> None:
    raw = {
        "sagemaker_program": "train.py",
        "sagemaker_submit_directory": '"s3://b/s.tar.gz"',
        "max-depth": "3",
        "n": "0.5",
        "name": '"churn"',
        "plain": "s3://b/k",
    }
    hyperparameters = training.decode(raw)
    user = training.user_hyperparameters(hyperparameters)
    assert training.script_arguments(user) == [
        "--max-depth", "3", "-n", "0.5", "--name", "churn", "--plain", "s3://b/k",
    ]  # fmt: skip
    environment = training.script_environment(
        hyperparameters, {"train": {}}, training._resources("ml.m5.large")
    )
    assert environment["SM_HP_MAX-DEPTH"] == "3"
    assert environment["SM_HPS"] == ('{"max-depth":3,"n":0.5,"name":"churn","plain":"s3://b/k"}')
    assert environment["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
    assert environment["SM_CHANNELS"] == '["train"]'
    assert environment["SM_MODEL_DIR"] == "/opt/ml/model"
    assert environment["SM_OUTPUT_DIR"] == "/opt/ml/output"
    assert environment["SM_MODULE_NAME"] == "train"
    assert environment["SM_MODULE_DIR"] == "s3://b/s.tar.gz"
    assert environment["SM_HOSTS"] == '["algo-1"]'
    assert environment["SM_CURRENT_INSTANCE_TYPE"] == "ml.m5.large"


def test_an_event_that_is_refused_does_not_stop_the_later_ones() -> None:
    seen: list[str] = []

    def emit(detail_type: str, *_: Any) -> None:
        seen.append(detail_type)
        if detail_type == "first":
            raise RuntimeError("no such bus")

    bus = events.EventBus(emit)
    for name in ("first", "second"):
        bus.send(events.Event(name, {}, []))
    bus.close()
    assert seen == ["first", "second"]


def test_a_working_directory_with_white_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LaptopError, match="white space"):
        SageMaker(
            region="eu-west-1",
            account="1",
            endpoint_url="http://127.0.0.1:1",
            workdir=tmp_path / "my work",
            step_python="python3",
            emit=lambda *_: None,
            credentials=lambda _: {},
        )
