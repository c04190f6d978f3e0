"""Steps as SageMaker runs them: the bundle unpacked, real processes, the step environment."""

import hashlib
import io
import json
import os
import random
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

import pipelines
from components.runtime.inventory import Inventory, InventoryStore, Observation
from components.runtime.segment import Entry

ROOT = Path(__file__).resolve().parents[2]
REGION = "eu-west-1"
DATA, ARTIFACTS, GROUP = "data", "artifacts", "models"
TARGET, PROTECTED = "approved", "group"


@pytest.fixture(scope="session")
def step_python() -> str:
    """The interpreter of the step environment."""
    python = Path(os.environ.get("PERENNIAL_STEP_PYTHON", ROOT / ".venv-steps" / "bin" / "python"))
    if not python.is_file():
        pytest.fail(f"There is no step environment at {python}: run `make setup`.")
    return str(python)


@pytest.fixture(scope="session")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, unpacked as the containers unpack it."""
    folder = tmp_path_factory.mktemp("code")
    with tarfile.open(pipelines.bundle().path) as tar:
        tar.extractall(folder, filter="data")
    return folder


@dataclass
class Ended:
    """A process that has ended, and the folder that stands for its /opt/ml."""

    code: int
    log: str
    opt_ml: Path

    @property
    def message(self) -> str:
        return (self.opt_ml / "output" / "message").read_text("utf-8")

    @property
    def failure(self) -> str:
        return (self.opt_ml / "output" / "failure").read_text("utf-8")

    def json(self, path: str) -> Any:
        return json.loads((self.opt_ml / path).read_text("utf-8"))


@dataclass
class Cloud:
    """An AWS with a data bucket and an artifact bucket, and the jobs that run against it."""

    endpoint: str
    step_python: str
    code: Path
    folder: Path
    jobs: int = 0

    def client(self, service: str) -> Any:
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION)

    def snapshot(self, files: dict[str, bytes]) -> str:
        """Upload the files, pin them in a manifest, and give its id."""
        s3 = self.client("s3")
        now = datetime.now(UTC)
        seen: dict[str, Observation | None] = {}
        for key, content in files.items():
            version_id = s3.put_object(Bucket=DATA, Key=key, Body=content)["VersionId"]
            checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
            seen[key] = Observation(Entry(key, version_id, len(content), checksum), now)
        inventory = Inventory(DATA, "data/", 1, 1).recorded({}, seen, now)
        return InventoryStore(s3, DATA, "data/", ARTIFACTS).save(inventory).id

    def run(self, command: list[str], **environment: str) -> Ended:
        """Run `command` with its own /opt/ml in the unpacked code, as a container would."""
        self.jobs += 1
        opt_ml = self.folder / f"job-{self.jobs}"
        (opt_ml / "model").mkdir(parents=True)
        result = subprocess.run(  # noqa: S603  # our own interpreter and scripts
            [self.step_python, *(word.replace("/opt/ml", str(opt_ml)) for word in command)],
            cwd=self.code,
            env={
                "PATH": os.environ["PATH"],
                "AWS_REGION": REGION,
                "AWS_ENDPOINT_URL": self.endpoint,
                "AWS_ACCESS_KEY_ID": "test",
                "AWS_SECRET_ACCESS_KEY": "test",
                "OMP_NUM_THREADS": "1",
                **{
                    name: value.replace("/opt/ml", str(opt_ml))
                    for name, value in environment.items()
                },
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        return Ended(result.returncode, result.stdout, opt_ml)

    def put(self, key: str, content: bytes) -> None:
        self.client("s3").put_object(Bucket=DATA, Key=key, Body=content)

    def prepare(
        self, snapshot_id: str, *, target: str = TARGET, protected: str = PROTECTED
    ) -> Ended:
        out = "/opt/ml/processing/output"
        return self.run(
            [
                *("bootstrap.py", "steps/prepare.py", "--bucket", ARTIFACTS),
                *("--snapshot", snapshot_id),
                *("--target-column", target, "--protected-column", protected),
                *("--train", f"{out}/train", "--test", f"{out}/test", "--report", f"{out}/report"),
                *("--message", "/opt/ml/output/message"),
            ]
        )

    def train(
        self, train: Path, *, target: str = TARGET, protected: str = PROTECTED, seed: str = "7"
    ) -> Ended:
        return self.run(
            [
                *("model/train.py", "--seed", seed),
                *("--target-column", target, "--protected-column", protected),
            ],
            SM_CHANNEL_TRAIN=str(train),
            SM_MODEL_DIR="/opt/ml/model",
            SM_OUTPUT_DIR="/opt/ml/output",
        )

    def evaluate(
        self,
        prepared: Path,
        artifact: str,
        *,
        target: str = TARGET,
        protected: str = PROTECTED,
        thresholds: tuple[str, str, str] = ("0.65", "0.2", "0.02"),
    ) -> Ended:
        roc_auc, gap, loss = thresholds
        return self.run(
            [
                *("bootstrap.py", "steps/evaluate.py", "--bucket", ARTIFACTS, "--group", GROUP),
                *("--artifact", artifact, "--test", str(prepared / "test")),
                *("--prepared", str(prepared / "report")),
                *("--target-column", target, "--protected-column", protected),
                *("--min-roc-auc", roc_auc, "--max-fairness-gap", gap, "--max-champion-loss", loss),
                *("--snapshot", "s" * 64, "--code-version", "c" * 64, "--image", "image"),
                *("--seed", "7", "--training-job", "job", "--execution", "arn"),
                *("--report", "/opt/ml/processing/output/report"),
                *("--message", "/opt/ml/output/message"),
            ]
        )

    def upload_model(self, folder: Path, key: str = "runs/1/Train/job/output/model.tar.gz") -> str:
        """What SageMaker does after a training job: the model folder as a tar.gz in S3."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
            for file in sorted(folder.rglob("*")):
                tar.add(file, file.relative_to(folder), recursive=False)
        self.client("s3").put_object(Bucket=ARTIFACTS, Key=key, Body=buffer.getvalue())
        return f"s3://{ARTIFACTS}/{key}"


@pytest.fixture(scope="session")
def in_step_environment(step_python: str, code: Path) -> Callable[[str, Any], Any]:
    """Runs Python source in the step environment: `given` is its input, `result` its answer."""

    def run(source: str, given: Any) -> Any:
        program = f"import json, sys\ngiven = json.load(sys.stdin)\n{source}\n"
        program += "json.dump(result, sys.stdout)"
        ended = subprocess.run(  # noqa: S603  # our own interpreter
            [step_python, "-c", program],
            cwd=code,
            input=json.dumps(given),
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    return run


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Moto on a free port of the loopback."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture(scope="session")
def cloud(
    server: str, step_python: str, code: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        cloud = Cloud(server, step_python, code, tmp_path_factory.mktemp("jobs"))
        s3 = cloud.client("s3")
        for bucket in (DATA, ARTIFACTS):
            s3.create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
            )
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        cloud.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
        yield cloud


HEADER = "income,age,city,group,approved"


def rows(count: int, seed: int = 0) -> list[str]:
    """Made-up applications: income decides, a little noise, some values missing."""
    draw = random.Random(seed)  # noqa: S311  test data
    lines = []
    for _ in range(count):
        income = draw.randint(0, 100)
        age = "" if draw.random() < 0.1 else str(draw.randint(18, 80))
        city = draw.choice(["Bonn", "Köln", "Kiel", ""])
        approved = "yes" if income + draw.gauss(0, 15) > 50 else "no"
        lines.append(f"{income},{age},{city},{draw.choice('ab')},{approved}")
    return lines


def table(lines: list[str], header: str = HEADER) -> bytes:
    return "\n".join([header, *lines, ""]).encode()
