"""The program at the root: typed settings in, the loop out, for every stack."""

import json
import runpy
from pathlib import Path
from typing import Any, Protocol

import pulumi
import pytest
import yaml

import pipelines
from components import monitoring, retraining, serving
from components._args import LOG_RETENTION_DAYS
from laptop import ACCOUNT as LAPTOP_ACCOUNT
from tests.conftest import Deploy, Engine, Refusal

ROOT = Path(__file__).parents[1]
STACKS = ["dev", "staging", "prod", "laptop"]
TARGET = {"target-column": "churned"}


def declared() -> dict[str, dict[str, Any]]:
    """The settings as the project declares them."""
    project: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(
        (ROOT / "Pulumi.yaml").read_text()
    )
    return project["config"]


def given(stack: str) -> dict[str, Any]:
    """What a stack file sets, without the settings of the provider."""
    content = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())
    return {
        key.removeprefix("perennial:"): value
        for key, value in content["config"].items()
        if key.startswith("perennial:")
    }


def config(stack: str, **changed: Any) -> dict[str, str]:
    """The configuration as Pulumi hands it to the program: defaults, stack file, changes."""
    defaults = {key: each["default"] for key, each in declared().items() if "default" in each}
    settings = defaults | TARGET | given(stack) | changed
    return {"aws:region": "eu-west-1"} | {
        f"perennial:{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in settings.items()
    }


def program() -> None:
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")


class Up(Protocol):
    def __call__(self, stack: str, **changed: Any) -> Engine: ...


@pytest.fixture(scope="module")
def up(deploy: Deploy) -> Up:
    def run(stack: str, **changed: Any) -> Engine:
        return deploy(program, config=config(stack, **changed), stack=stack)

    return run


@pytest.fixture(scope="module")
def stacks(up: Up) -> dict[str, Engine]:
    return {stack: up(stack) for stack in STACKS}


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_has_all_stages_of_the_loop(stacks: dict[str, Engine], stack: str) -> None:
    stages = [each.type.rpartition(":")[2] for each in stacks[stack].resources if each.is_component]
    assert sorted(stages) == [
        "DataStore",
        "DriftMonitor",
        "ModelEndpoint",
        "ModelRegistry",
        "RetrainingTriggers",
        "TrainingPipeline",
    ]


@pytest.mark.parametrize(
    ("stack", "protected", "destroyed"),
    [
        ("dev", False, True),
        ("staging", False, False),
        ("prod", True, False),
        ("laptop", False, True),
    ],
)
def test_what_must_not_be_lost_is_protected_in_prod_and_freely_destroyed_in_dev_and_laptop(
    stacks: dict[str, Engine], stack: str, protected: bool, destroyed: bool
) -> None:
    engine = stacks[stack]
    for each in (*engine.all("Bucket"), engine.one("ModelPackageGroup")):
        assert each.protect is protected
    for bucket in engine.all("Bucket"):
        assert bucket.inputs["forceDestroy"] is destroyed
    emptied = [each for each in engine.all("Invocation") if "registry" in each.name]
    assert bool(emptied) is destroyed


def test_the_outputs_say_what_a_person_needs(stacks: dict[str, Engine]) -> None:
    assert stacks["laptop"].outputs == {
        "data_bucket": "loop-data-0a1b2c3",
        "artifact_bucket": "loop-artifacts-0a1b2c3",
        "pipeline": "perennial-laptop-loop",
        "model_package_group": "perennial-laptop-loop",
        "endpoint": "perennial-laptop-loop",
        "drift_alarm": "loop-drift-0a1b2c3",
        "wakeup_queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/perennial-laptop-loop-retrain-wakeups",
        "dead_letter_queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/loop-retrain-dead-letters-0a1b2c3",
    }


def test_the_retrain_controller_watches_the_drift_alarm(stacks: dict[str, Engine]) -> None:
    engine = stacks["prod"]
    variables = engine.one("Function", "loop-retrain").inputs["environment"]["variables"]
    assert json.loads(variables["ALARM_NAMES"]) == [engine.outputs["drift_alarm"]]
    assert variables["PIPELINE_NAME"] == engine.outputs["pipeline"]


def test_settings_reach_the_parameters_of_the_pipeline(up: Up) -> None:
    engine = up("dev", **{"min-roc-auc": "0.8", "seed": 7, "protected-column": "gender"})
    defaults = {
        each["Name"]: each.get("DefaultValue")
        for each in engine.one("Pipeline").json("pipelineDefinition")["Parameters"]
    }
    assert defaults["TargetColumn"] == "churned"
    assert defaults["ProtectedColumn"] == "gender"
    assert defaults["MinRocAuc"] == 0.8
    assert defaults["Seed"] == "7"
    assert defaults["Image"] == pipelines.default_image("eu-west-1")
    assert defaults["SnapshotId"] is None


def test_the_data_bucket_can_be_one_that_exists(up: Up) -> None:
    engine = up("dev", **{"data-bucket-name": "acme-data"})
    assert engine.one("Bucket", "loop-data").inputs["bucket"] == "acme-data"
    assert engine.outputs["data_bucket"] == "acme-data"


def test_a_version_can_be_pinned(up: Up) -> None:
    package = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/perennial-dev-loop/3"
    engine = up("dev", **{"endpoint-mode": "pinned", "model-package-arn": package})
    assert engine.one("Model").inputs["primaryContainer"] == {"modelPackageName": package}


def test_the_code_that_runs_is_the_folder_that_is_named(
    up: Up, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed copy is a push of code."""
    definition = pipelines.compile_definition()  # the same for the copy, which takes seconds
    monkeypatch.setattr(pipelines, "compile_definition", lambda _: definition)
    changed = tmp_path / "pipelines"
    for source in (ROOT / "pipelines").rglob("*"):
        if source.is_file() and "__pycache__" not in source.parts:
            copy = changed / source.relative_to(ROOT / "pipelines")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
    train = changed / "model" / "train.py"
    train.write_text(train.read_text() + "# changed\n")

    def code(engine: Engine) -> str:
        current = engine.one("BucketObjectv2", "loop-current-code").json("content")
        return str(current["code_version"])

    assert code(up("dev", pipelines=str(changed))) != code(up("dev"))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"quite-period-seconds": 5},
            "perennial:quite-period-seconds is set and there is no such setting: did you mean "
            "perennial:quiet-period-seconds?",
        ),
        (
            {"min-samples": "many"},
            "perennial:min-samples is 'many', and it must be a whole number: correct it with "
            "pulumi config set perennial:min-samples.",
        ),
        ({"protect": "yes"}, "perennial:protect is 'yes', and it must be true or false"),
        ({"drifted-share": "30%"}, "perennial:drifted-share is '30%', and it must be a number"),
        ({"subnet-ids": "subnet-1"}, "perennial:subnet-ids is 'subnet-1', and it must be a list"),
        ({"subnet-ids": [1]}, "perennial:subnet-ids is '[1]', and it must be a list of texts"),
        ({"endpoint-mode": "latest"}, "perennial:endpoint-mode is 'latest', and it must be follow"),
        ({"tags": ["growth"]}, "The tag 'growth' is not key=value"),
        ({"pipelines": "nowhere"}, "perennial:pipelines is 'nowhere', and "),
    ],
)
def test_a_mistake_in_the_settings_is_one_sentence_before_anything_is_built(
    refusal: Refusal, changed: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusal(program, config=config("dev", **changed), stack="dev")


ENCRYPTED = [
    "perennial:tags",
    "perennial:min-samples",  # no number: a message that shows the value would show the secret
    "perennial:api-token",  # no setting at all
    "aws:region",
]


@pytest.mark.parametrize("key", ENCRYPTED)
@pytest.mark.parametrize("engine", ["in the environment", "in the request"])
def test_an_encrypted_setting_is_refused_without_a_word_of_its_value(
    refusal: Refusal, monkeypatch: pytest.MonkeyPatch, key: str, engine: str
) -> None:
    settings = config("dev") | {key: "hunter2"}
    if engine == "in the environment":
        monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps([key]))

    def run() -> None:
        if engine == "in the request":
            pulumi.runtime.set_all_config(settings, secret_keys=[key])
        program()

    sentence = refusal(run, config=settings, stack="dev")
    assert sentence.startswith(f"{key} is encrypted, and no setting is a secret")
    assert f"pulumi config set --plaintext {key}" in sentence
    assert "hunter2" not in sentence


def test_an_encrypted_key_of_the_provider_is_none_of_the_programs_business(deploy: Deploy) -> None:
    settings = config("dev") | {"aws:secretKey": "hunter2"}

    def run() -> None:
        pulumi.runtime.set_all_config(settings, secret_keys=["aws:secretKey"])
        program()

    engine = deploy(run, config=settings, stack="dev")
    assert "hunter2" not in repr(engine)


def test_the_target_is_asked_for(refusal: Refusal) -> None:
    sentence = refusal(program, config=config("dev") | {"perennial:target-column": ""}, stack="dev")
    assert sentence.startswith("perennial:target-column is not set, and the model predicts it: ")


def test_a_region_is_asked_for(refusal: Refusal, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    settings = config("dev")
    del settings["aws:region"]
    assert "aws:region is not set" in refusal(program, config=settings, stack="dev")


def test_every_setting_is_declared_with_a_description_and_a_default_and_no_type() -> None:
    """The engine would refuse another type before the program can say what is wrong."""
    for key, each in declared().items():
        assert each.keys() == {"description", "default"}, key
        assert each["description"].endswith("."), key


def test_every_setting_that_is_declared_is_read(refusal: Refusal) -> None:
    """The program refuses what it does not read, and misses what is not declared."""
    for key in declared():
        settings = config("dev")
        del settings[f"perennial:{key}"]
        assert f"perennial:{key} is not set" in refusal(program, config=settings, stack="dev")


def test_a_stack_file_holds_only_what_differs() -> None:
    for stack in STACKS:
        for key, value in given(stack).items():
            assert key in declared(), f"{stack}: {key}"
            assert value != declared()[key].get("default"), f"{stack}: {key}"


def test_the_stack_of_the_laptop_is_refused_by_every_account_but_the_laptops() -> None:
    """aws:allowedAccountIds, which the AWS provider checks before it does anything."""
    content = yaml.safe_load((ROOT / "Pulumi.laptop.yaml").read_text())
    assert content["config"]["aws:allowedAccountIds"] == [LAPTOP_ACCOUNT]


@pytest.mark.parametrize(
    ("setting", "default"),
    [
        ("capture-percent", serving.CAPTURE_PERCENT),
        ("cool-down-seconds", retraining.COOL_DOWN_SECONDS),
        ("deploy-batch-window-seconds", serving.BATCH_WINDOW_SECONDS),
        ("drift-evaluation-periods", monitoring.EVALUATION_PERIODS),
        ("drift-period-seconds", monitoring.PERIOD_SECONDS),
        ("drift-periods-to-alarm", monitoring.PERIODS_TO_ALARM),
        ("drifted-share", str(monitoring.DRIFTED_SHARE)),
        ("endpoint-instance-type", serving.INSTANCE_TYPE),
        ("endpoint-mode", serving.EndpointMode.FOLLOW.value),
        ("log-retention-days", LOG_RETENTION_DAYS),
        ("min-samples", monitoring.MIN_SAMPLES),
        ("monitor-batch-window-seconds", monitoring.BATCH_WINDOW_SECONDS),
        ("max-wait-seconds", retraining.MAX_WAIT_SECONDS),
        ("psi-threshold", str(monitoring.PSI_THRESHOLD)),
        ("retries", retraining.RETRIES),
        ("retry-seconds", retraining.RETRY_SECONDS),
        ("runs-per-day", retraining.RUNS_PER_DAY),
        ("quiet-period-seconds", retraining.QUIET_PERIOD_SECONDS),
        ("retrain-batch-window-seconds", retraining.BATCH_WINDOW_SECONDS),
        ("sweep-schedule", retraining.SWEEP),
        ("sweep-schedule", monitoring.SWEEP),
        ("sweep-schedule", serving.SWEEP),
    ],
)
def test_the_defaults_of_the_program_are_those_of_the_components(
    setting: str, default: Any
) -> None:
    assert declared()[setting]["default"] == default


def test_the_defaults_of_the_program_are_those_of_the_pipeline(stacks: dict[str, Engine]) -> None:
    compiled = {
        each["Name"]: each["DefaultValue"]
        for each in json.loads(pipelines.compile_definition())["Parameters"]
        if "DefaultValue" in each
    }
    bound = {
        each["Name"]: each.get("DefaultValue")
        for each in stacks["dev"].one("Pipeline").json("pipelineDefinition")["Parameters"]
    }
    own = {"ArtifactBucket", "Image", "ModelPackageGroupName", "RoleArn"}
    for name in compiled.keys() - own:
        assert bound[name] == compiled[name], name
