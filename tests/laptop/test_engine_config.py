"""Configuration without the Pulumi command line."""

from pathlib import Path

import pytest

from laptop.engine import load_config
from laptop.errors import LaptopError

PROJECT = """
name: perennial
runtime: python
config:
  loop: {type: string, default: churn}
  quiet-seconds: {type: integer, default: 30}
  tags: {type: array, default: [a=b], items: {type: string}}
  plain: value
  aws:region: {value: eu-west-1}
"""


def project(folder: Path, stack: str = "", main: str = PROJECT) -> Path:
    (folder / "Pulumi.yaml").write_text(main)
    if stack:
        (folder / "Pulumi.laptop.yaml").write_text(stack)
    return folder


def test_defaults_stand_where_the_stack_says_nothing(tmp_path: Path) -> None:
    assert load_config(project(tmp_path), "laptop") == {
        "perennial:loop": "churn",
        "perennial:quiet-seconds": "30",
        "perennial:tags": '["a=b"]',
        "perennial:plain": "value",
        "aws:region": "eu-west-1",
    }


def test_the_stack_comes_before_the_defaults_and_its_objects_are_json(tmp_path: Path) -> None:
    stack = "config:\n  perennial:quiet-seconds: 3\n  perennial:tags: []\n  loop: fraud\n"
    config = load_config(project(tmp_path, stack), "laptop")
    assert config["perennial:quiet-seconds"] == "3"
    assert config["perennial:tags"] == "[]"
    assert config["perennial:loop"] == "fraud"


def test_a_truth_value_is_written_as_pulumi_reads_it(tmp_path: Path) -> None:
    config = load_config(project(tmp_path, "config: {protect: true}\n"), "laptop")
    assert config["perennial:protect"] == "true"


def test_a_declared_key_without_a_value_is_named(tmp_path: Path) -> None:
    main = "name: p\nconfig: {role-arn: {type: string}}\n"
    with pytest.raises(LaptopError, match=r"no value for p:role-arn.*Pulumi\.laptop\.yaml"):
        load_config(project(tmp_path, main=main), "laptop")


def test_an_encrypted_value_is_refused(tmp_path: Path) -> None:
    stack = "config: {perennial:token: {secure: v1:abc}}\n"
    with pytest.raises(LaptopError, match="perennial:token is encrypted"):
        load_config(project(tmp_path, stack), "laptop")


@pytest.mark.parametrize(
    ("main", "sentence"),
    [("- a\n", "holds no mapping"), ("a: [\n", "is not YAML"), ("a: b\n", "has no name")],
)
def test_a_file_that_is_no_project_is_one_sentence(
    tmp_path: Path, main: str, sentence: str
) -> None:
    with pytest.raises(LaptopError, match=sentence):
        load_config(project(tmp_path, main=main), "laptop")


def test_a_folder_without_a_project_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LaptopError, match=r"Pulumi\.yaml does not exist"):
        load_config(tmp_path, "laptop")
