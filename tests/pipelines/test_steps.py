"""The steps as real processes in the step environment, against S3 and a model registry."""

import csv
import hashlib
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.pipelines.conftest import ARTIFACTS, GROUP, HEADER, Cloud, Ended, rows, table

FILES = {f"data/part-{number}.csv": table(rows(200, seed=number)) for number in range(3)}


@pytest.fixture(scope="module")
def prepared(cloud: Cloud) -> Ended:
    snapshot_id = cloud.snapshot(FILES)
    # Whoever reads the newest version, and not the pinned one, now reads this.
    cloud.put("data/part-1.csv", b"overwritten after the snapshot")
    return cloud.prepare(snapshot_id)


@pytest.fixture(scope="module")
def trained(cloud: Cloud, prepared: Ended) -> Ended:
    return cloud.train(prepared.opt_ml / "processing/output/train")


@pytest.fixture(scope="module")
def artifact(cloud: Cloud, trained: Ended) -> str:
    return cloud.upload_model(trained.opt_ml / "model")


@pytest.fixture(scope="module")
def evaluated(cloud: Cloud, prepared: Ended, artifact: str) -> Ended:
    return cloud.evaluate(prepared.opt_ml / "processing/output", artifact)


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def test_prepare_reads_every_object_by_the_version_that_the_snapshot_pins(prepared: Ended) -> None:
    assert prepared.code == 0, prepared.log
    report = prepared.json("processing/output/report/validation.json")
    assert report["rows"] == 600
    assert report["files"] == sorted(FILES)
    assert report["classes"] == ["no", "yes"]
    assert report["anomalies"] == []


def test_prepare_splits_all_rows_into_train_and_test(prepared: Ended) -> None:
    train = lines(prepared.opt_ml / "processing/output/train/train.csv")
    test = lines(prepared.opt_ml / "processing/output/test/test.csv")
    assert train[0] == test[0] == HEADER
    uploaded = [line for content in FILES.values() for line in content.decode().splitlines()[1:]]
    assert sorted(train[1:] + test[1:]) == sorted(uploaded)
    assert 0.18 < len(test) / len(uploaded) < 0.32
    assert not set(train[1:]) & set(test[1:])


def test_the_baseline_describes_what_a_request_holds_in_the_order_of_a_request(
    evaluated: Ended, prepared: Ended
) -> None:
    baseline = evaluated.json("processing/output/report/baseline.json")
    kinds = [(column["name"], column["kind"]) for column in baseline["features"]]
    assert kinds == [("income", "numeric"), ("age", "numeric"), ("city", "categorical")]
    train = list(csv.DictReader(lines(prepared.opt_ml / "processing/output/train/train.csv")))
    age = baseline["features"][1]
    assert age["missing"] == sum(row["age"] == "" for row in train) > 0
    assert sum(age["counts"]) + age["missing"] == baseline["rows"] == len(train)
    test_rows = len(lines(prepared.opt_ml / "processing/output/test/test.csv")) - 1
    assert sum(baseline["prediction"]["counts"]) == test_rows


def test_the_artifact_holds_the_model_its_serving_code_and_its_environment(trained: Ended) -> None:
    assert trained.code == 0, trained.log
    files = {
        file.relative_to(trained.opt_ml / "model").as_posix()
        for file in (trained.opt_ml / "model").rglob("*")
        if file.is_file()
    }
    assert files == {"model.joblib", "environment.json", "code/inference.py"}
    environment = trained.json("model/environment.json")
    assert environment["features"] == ["income", "age", "city"]
    assert environment["packages"]["scikit-learn"] == "1.9.0"


def test_the_same_data_and_seed_give_the_same_model_to_the_byte(
    cloud: Cloud, prepared: Ended, trained: Ended
) -> None:
    again = cloud.train(prepared.opt_ml / "processing/output/train")
    models = [(job.opt_ml / "model/model.joblib").read_bytes() for job in (trained, again)]
    assert models[0] == models[1]


def test_a_training_that_fails_says_why_where_sagemaker_looks(
    cloud: Cloud, prepared: Ended
) -> None:
    ended = cloud.train(prepared.opt_ml / "processing/output/train", target="nothing")
    assert ended.code == 1
    assert ended.failure == "KeyError: 'nothing'"


def test_the_evaluation_has_what_the_gate_and_the_package_need(
    cloud: Cloud, evaluated: Ended, artifact: str
) -> None:
    assert evaluated.code == 0, evaluated.log
    evaluation = evaluated.json("processing/output/report/evaluation.json")
    assert evaluation["metrics"]["roc_auc"] > 0.9
    assert evaluation["gate"] == {"passed": True, "reasons": [], "message": ""}
    assert evaluation["champion"]["package"] == "none"
    assert evaluation["champion"]["loss"] == 0.0
    assert evaluation["columns"] == {"target": "approved", "protected": "group"}
    bucket, _, key = artifact.removeprefix("s3://").partition("/")
    stored = cloud.client("s3").get_object(Bucket=bucket, Key=key)
    assert evaluation["artifact"] == {
        "sha256": hashlib.sha256(stored["Body"].read()).hexdigest(),
        "version_id": stored["VersionId"],
    }


def test_fairness_is_the_difference_of_the_rates_of_the_groups(evaluated: Ended) -> None:
    fairness = evaluated.json("processing/output/report/evaluation.json")["fairness"]
    groups = fairness["groups"]
    assert set(groups) == {"a", "b"}
    selection = [groups[name]["selection_rate"] for name in "ab"]
    assert fairness["gap"] == pytest.approx(abs(selection[0] - selection[1]), abs=2e-6)
    odds = max(
        abs(groups["a"][rate] - groups["b"][rate])
        for rate in ("true_positive_rate", "false_positive_rate")
    )
    assert fairness["equalized_odds_difference"] == pytest.approx(odds, abs=2e-6)
    bias = evaluated.json("processing/output/report/bias.json")["post_training_bias_metrics"]
    (facet,) = [each for each in bias["facets"]["group"] if each["value_or_threshold"] == "a"]
    dppl = next(metric["value"] for metric in facet["metrics"] if metric["name"] == "DPPL")
    assert dppl == pytest.approx(selection[1] - selection[0], abs=2e-6)


def test_the_provenance_says_where_the_model_comes_from(evaluated: Ended, code: Path) -> None:
    provenance = evaluated.json("processing/output/report/provenance.json")
    assert provenance["snapshot_id"] == "s" * 64
    assert provenance["code_version"] == "c" * 64
    assert provenance["git_commit"] == "unknown"
    assert provenance["environment"]["installed"]["pandera"] == "0.35.0"
    lock = hashlib.sha256()
    for name in ("image-requirements.txt", "steps/requirements.txt"):
        lock.update(f"{name}\n".encode() + (code / name).read_bytes())
    assert provenance["environment"]["lock"] == lock.hexdigest()


def test_a_confusion_matrix_counts_every_row(evaluated: Ended) -> None:
    report = evaluated.json("processing/output/report/statistics.json")
    matrix = report["binary_classification_metrics"]["confusion_matrix"]
    assert set(matrix) == {"no", "yes"}
    counted = sum(count for row in matrix.values() for count in row.values())
    assert counted == report["dataset"]["item_count"]


@pytest.fixture(scope="module")
def champion(cloud: Cloud, artifact: str, evaluated: Ended) -> str:
    """The candidate registered as Register would, and approved; its ARN."""
    evaluation = evaluated.json("processing/output/report/evaluation.json")
    return register(
        cloud,
        artifact,
        artifact_sha256=evaluation["artifact"]["sha256"],
        artifact_version_id=evaluation["artifact"]["version_id"],
    )


def register(cloud: Cloud, artifact: str, group: str = GROUP, **metadata: str) -> str:
    arn: str = cloud.client("sagemaker").create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus="Approved",
        CustomerMetadataProperties=metadata,
        InferenceSpecification={
            "Containers": [{"Image": "image", "ModelDataUrl": artifact}],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    )["ModelPackageArn"]
    return arn


def test_a_candidate_is_compared_with_the_champion_on_the_same_rows_and_refused_with_reasons(
    cloud: Cloud, prepared: Ended, artifact: str, champion: str
) -> None:
    ended = cloud.evaluate(
        prepared.opt_ml / "processing/output", artifact, thresholds=("0.999", "0.0", "-0.01")
    )
    evaluation = ended.json("processing/output/report/evaluation.json")
    roc_auc, gap = evaluation["metrics"]["roc_auc"], evaluation["fairness"]["gap"]
    assert evaluation["champion"] == {
        "package": champion,
        "roc_auc": roc_auc,
        "loss": 0.0,
        "reason": "",
    }
    assert evaluation["gate"]["passed"] is False
    assert evaluation["gate"]["reasons"] == [
        f"ROC AUC {roc_auc:.3f} is below the minimum of 0.999",
        f"fairness gap {gap:.3f} is above the maximum of 0",
        "ROC AUC is 0.000 below the champion's, and may be at most -0.01",
    ]
    assert evaluation["gate"]["message"] == "; ".join(evaluation["gate"]["reasons"])


COMPARE = """
import boto3, pandas, pathlib, tempfile
from steps.anomaly import Refused
from steps.champion import champion
test = pandas.read_csv(given["test"], dtype=str).drop(columns="group")
s3, sagemaker = (boto3.client(s, endpoint_url=given["endpoint"], region_name="eu-west-1",
    aws_access_key_id="test", aws_secret_access_key="test") for s in ("s3", "sagemaker"))
result = {}
for group in given["groups"]:
    with tempfile.TemporaryDirectory() as folder:
        try:
            result[group] = vars(champion(
                sagemaker, s3, group, test, "approved", "yes", pathlib.Path(folder)))
        except Refused as refused:
            result[group] = str(refused)
"""


@pytest.fixture(scope="module")
def champions(
    cloud: Cloud,
    prepared: Ended,
    trained: Ended,
    evaluated: Ended,
    in_step_environment: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> Any:
    """What is said of four other champions, by the name of their group."""
    sagemaker = cloud.client("sagemaker")
    digest = evaluated.json("processing/output/report/evaluation.json")["artifact"]["sha256"]
    for group in ("swapped", "elsewhere", "aged", "escaping"):
        sagemaker.create_model_package_group(ModelPackageGroupName=group)

    model = tmp_path_factory.mktemp("swapped") / "model"
    shutil.copytree(trained.opt_ml / "model", model)
    (model / "code/inference.py").write_text("raise SystemExit('loaded')")
    swapped = cloud.upload_model(model, "runs/swapped/model.tar.gz")
    register(cloud, swapped, "swapped", artifact_sha256=digest)
    register(cloud, swapped, "elsewhere")

    aged = tmp_path_factory.mktemp("aged") / "model"
    shutil.copytree(trained.opt_ml / "model", aged)
    environment = json.loads((aged / "environment.json").read_text("utf-8"))
    environment["packages"]["scikit-learn"] = "1.4.2"
    (aged / "environment.json").write_text(json.dumps(environment))
    register_with_digest(cloud, cloud.upload_model(aged, "runs/aged/model.tar.gz"), "aged")

    evil = tmp_path_factory.mktemp("evil") / "model.tar.gz"
    with tarfile.open(evil, "w:gz") as tar:
        member = tarfile.TarInfo("../escaped")
        tar.addfile(member)
    cloud.client("s3").put_object(
        Bucket=ARTIFACTS, Key="runs/evil/model.tar.gz", Body=evil.read_bytes()
    )
    register_with_digest(cloud, f"s3://{ARTIFACTS}/runs/evil/model.tar.gz", "escaping")

    return in_step_environment(
        COMPARE,
        {
            "endpoint": cloud.endpoint,
            "test": str(prepared.opt_ml / "processing/output/test/test.csv"),
            "groups": ["swapped", "elsewhere", "aged", "escaping"],
        },
    )


def register_with_digest(cloud: Cloud, artifact: str, group: str) -> None:
    bucket, _, key = artifact.removeprefix("s3://").partition("/")
    content = cloud.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    register(cloud, artifact, group, artifact_sha256=hashlib.sha256(content).hexdigest())


def test_a_champion_whose_artifact_was_changed_stops_the_run_unloaded(champions: Any) -> None:
    assert "was changed afterwards" in champions["swapped"]


def test_a_champion_without_a_recorded_digest_is_never_loaded(champions: Any) -> None:
    assert champions["elsewhere"]["roc_auc"] is None
    assert champions["elsewhere"]["reason"] == "it has no recorded digest, so it is not loaded"


def test_a_champion_of_another_environment_is_not_compared_and_the_reason_is_kept(
    champions: Any,
) -> None:
    assert champions["aged"]["roc_auc"] is None
    assert "scikit-learn 1.9.0 in place of 1.4.2" in champions["aged"]["reason"]


def test_a_champion_that_unpacks_outside_of_its_folder_is_not_unpacked(champions: Any) -> None:
    assert champions["escaping"]["roc_auc"] is None
    assert "outside" in champions["escaping"]["reason"]


def test_data_with_anomalies_are_refused_by_file_column_rule_and_value(cloud: Cloud) -> None:
    bad = {
        "data/words.csv": table(["a lot,30,Bonn,a,yes", *rows(3)]),
        "data/short.csv": table(["1,2"]),
    }
    ended = cloud.prepare(cloud.snapshot({**FILES, **bad}))
    assert ended.code == 1
    assert ended.message == (
        "data/short.csv: must be of 5 fields in every row, but is 2 at line 2; "
        "data/words.csv, column 'income': must be a number, but is 'a lot' in row 1"
    )
    report = ended.json("processing/output/report/validation.json")
    assert [each["file"] for each in report["anomalies"]] == ["data/short.csv", "data/words.csv"]
    assert not (ended.opt_ml / "processing/output/train").exists()


def test_a_snapshot_that_is_not_there_is_named(cloud: Cloud) -> None:
    ended = cloud.prepare("0" * 64)
    assert ended.code == 1
    assert ended.message == f"There is no snapshot {'0' * 64} in the bucket artifacts."


def test_without_a_protected_column_there_is_no_gap(
    cloud: Cloud, prepared: Ended, tmp_path: Path
) -> None:
    output = tmp_path / "output"
    shutil.copytree(prepared.opt_ml / "processing/output", output)
    for part in ("train", "test"):
        file = output / part / f"{part}.csv"
        kept = [
            ",".join(fields[:3] + fields[4:])
            for fields in (line.split(",") for line in lines(file))
        ]
        file.write_text("\n".join([*kept, ""]), "utf-8")
    trained = cloud.train(output / "train", protected="")
    artifact = cloud.upload_model(trained.opt_ml / "model", "runs/unprotected/model.tar.gz")
    ended = cloud.evaluate(output, artifact, protected="")
    assert ended.code == 0, ended.log
    evaluation = ended.json("processing/output/report/evaluation.json")
    assert evaluation["fairness"]["gap"] == 0.0
    assert evaluation["fairness"]["groups"] == {}
    assert evaluation["columns"]["protected"] == "none"


SERVE = """
import importlib.util, sys
sys.path.insert(0, given["model"] + "/code")
import inference
model = inference.model_fn(given["model"])
result = []
for body, content_type in given["requests"]:
    try:
        prediction = inference.predict_fn(inference.input_fn(body, content_type), model)
        result.append(inference.output_fn(prediction, "application/json"))
    except ValueError as error:
        result.append(str(error))
"""


@pytest.fixture(scope="module")
def answers(trained: Ended, in_step_environment: Any) -> Any:
    requests = [
        ("90,40,Bonn\n5,,\n", "text/csv"),
        ('{"instances": [[90, 40, "Bonn"], [5, null, null]]}', "application/json; charset=utf-8"),
        ("90,40,Atlantis\n", "text/csv"),
        ("90,many,Bonn\n", "text/csv"),
        ("90,40\n", "text/csv"),
        ("90", "image/png"),
    ]
    return in_step_environment(
        SERVE, {"model": str(trained.opt_ml / "model"), "requests": requests}
    )


def test_csv_and_json_requests_get_a_label_and_a_score_for_each_row(answers: Any) -> None:
    (csv_body, csv_type), (json_body, _) = answers[:2]
    assert csv_type == "application/json"
    assert csv_body == json_body
    rich, poor = json.loads(csv_body)["predictions"]
    assert rich["label"] == "yes"
    assert poor["label"] == "no"
    assert 0 <= poor["score"] < 0.5 <= rich["score"] <= 1


def test_values_that_training_never_saw_count_as_missing(answers: Any) -> None:
    for body, _ in answers[2:4]:
        assert json.loads(body)["predictions"][0]["label"] == "yes"


def test_requests_that_do_not_fit_are_refused_with_a_sentence(answers: Any) -> None:
    assert answers[4] == "A row has 2 values; this model takes 3: income, age, city."
    assert answers[5] == "Content type 'image/png': send text/csv or application/json."
