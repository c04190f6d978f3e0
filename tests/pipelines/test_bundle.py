"""The code bundle: reproducible, complete, and nothing in it that is no code."""

import ast
import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from pipelines import Bundle, _bundle, bundle
from pipelines._bundle import RUNTIME_MODULES
from tests.pipelines.conftest import ROOT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "copy"
    shutil.copytree(ROOT / "pipelines", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def members(packed: Bundle) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(packed.path) as tar:
        return {member.name: member for member in tar}


def test_two_folders_and_two_times_give_the_same_bytes(copy: Path) -> None:
    for file in copy.rglob("*"):
        os.utime(file, (0, 0))
    here, there = bundle(), bundle(copy)
    assert here.code_version == there.code_version
    assert here.path.read_bytes() == there.path.read_bytes()


def test_the_code_version_is_the_digest_of_the_tar(copy: Path) -> None:
    import gzip

    packed = bundle(copy)
    content = gzip.decompress(packed.path.read_bytes())
    assert packed.code_version == hashlib.sha256(content).hexdigest()
    assert packed.path.parent.name == packed.code_version


@pytest.mark.parametrize(
    "name", ["steps/prepare.py", "model/train.py", "model/new.yaml", "requirements.txt"]
)
def test_a_change_of_code_is_another_version(copy: Path, name: str) -> None:
    before = bundle(copy).code_version
    with (copy / name).open("a") as file:
        file.write("# changed\n")
    assert bundle(copy).code_version != before


@pytest.mark.parametrize(
    "name", ["model/README.md", "definition.py", "model/__pycache__/train.pyc", "model/.hidden"]
)
def test_a_change_of_what_the_jobs_do_not_run_is_not(copy: Path, name: str) -> None:
    before = bundle(copy).code_version
    (copy / name).parent.mkdir(exist_ok=True)
    with (copy / name).open("a") as file:
        file.write("# changed\n")
    assert bundle(copy).code_version == before


def test_the_bundle_holds_steps_model_and_runtime_sorted_and_owned_by_nobody_in_particular(
    copy: Path,
) -> None:
    found = members(bundle(copy))
    assert list(found) == sorted(found)
    assert {
        "bootstrap.py",
        "image-requirements.txt",
        "model/inference.py",
        "model/train.py",
        "runtime/drift.py",
        "steps/prepare.py",
        "steps/requirements.txt",
    } <= set(found)
    assert "requirements.txt" not in found
    assert {(each.mtime, each.uid, each.gid, each.uname) for each in found.values()} == {
        (0, 0, 0, "")
    }


def test_the_requirements_of_the_model_lie_where_the_training_container_installs_them(
    copy: Path,
) -> None:
    (copy / "model" / "requirements.txt").write_text("lightgbm==4.6.0\n")
    assert {"requirements.txt", "model/requirements.txt"} <= set(members(bundle(copy)))


def test_a_bundle_outside_of_a_repository_has_no_commit(copy: Path) -> None:
    assert bundle(copy).git_commit == "unknown"


def test_the_commit_of_a_bundle_is_the_last_that_changed_it(
    tmp_path: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "repository"
    shutil.copytree(copy, repository / "pipelines", ignore=shutil.ignore_patterns(".cache"))
    shutil.copytree(_bundle._runtime(), repository / "runtime")
    monkeypatch.setattr(_bundle, "_runtime", lambda: repository / "runtime")

    def git(*arguments: str) -> str:
        who = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        answer = subprocess.run(  # noqa: S603  fixed arguments
            ["git", *who, *arguments],  # noqa: S607  git is wherever the machine has it
            cwd=repository,
            check=True,
            capture_output=True,
            text=True,
        )
        return answer.stdout.strip()

    def commit() -> str:
        git("add", "--all")
        git("commit", "--message", "a change")
        return git("rev-parse", "HEAD")

    git("init")
    (repository / ".gitignore").write_text(".cache/\n")
    first = commit()
    assert bundle(repository / "pipelines").git_commit == first
    (repository / "runtime" / "retrain_controller.py").write_text("# not in the bundle")
    commit()
    assert bundle(repository / "pipelines").git_commit == first
    (repository / "pipelines" / "model" / "train.py").write_text("# in it")
    assert bundle(repository / "pipelines").git_commit == "unknown"
    assert commit() == bundle(repository / "pipelines").git_commit


def imported(file: Path, package: str) -> set[str]:
    """Modules of `package` that the file imports, relatively if the file lies in it."""
    tree = ast.parse(file.read_text("utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.level == 1 and file.parent.name == package:
                names.add(node.module)
            elif node.module.startswith(f"{package}."):
                names.add(node.module.removeprefix(f"{package}."))
    return names


def test_every_runtime_module_that_the_steps_need_is_in_the_bundle() -> None:
    steps = (ROOT / "pipelines" / "steps").glob("*.py")
    needed = set().union(*(imported(file, "runtime") for file in steps))
    for name in RUNTIME_MODULES:
        needed |= imported(ROOT / "components" / "runtime" / name, "runtime")
    assert {f"{name}.py" for name in needed} <= set(RUNTIME_MODULES)
