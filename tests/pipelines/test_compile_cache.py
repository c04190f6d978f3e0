"""When the definition is compiled, and when the kept one is taken: with a compiler that counts."""

from pathlib import Path

import pytest

from pipelines import DefinitionError, compile_definition

COUNTING = """
from pathlib import Path
count = Path(__file__).with_name("count")
count.write_text(count.read_text() + "x" if count.exists() else "x")
print("compiled", len(count.read_text()))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("__init__.py", "check.py", "definition.py"):
        (folder / name).touch()
    (folder / "compile.py").write_text(COUNTING)
    return folder


def test_the_same_source_is_compiled_once(folder: Path) -> None:
    assert compile_definition(folder) == compile_definition(folder) == "compiled 1\n"


@pytest.mark.parametrize("name", ["definition.py", "check.py", "compile.py", "__init__.py"])
def test_a_change_of_the_source_is_never_answered_from_the_cache(folder: Path, name: str) -> None:
    compile_definition(folder)
    with (folder / name).open("a") as file:
        file.write("# changed\n")
    assert compile_definition(folder) == "compiled 2\n"


def test_a_change_of_a_step_does_not_compile_anew(folder: Path) -> None:
    compile_definition(folder)
    (folder / "steps").mkdir()
    (folder / "steps" / "prepare.py").write_text("changed")
    assert compile_definition(folder) == "compiled 1\n"


def test_what_the_compiler_says_is_what_the_error_says(folder: Path) -> None:
    (folder / "compile.py").write_text("raise SystemExit('Train: Arguments.RoleArn is missing.')")
    with pytest.raises(DefinitionError, match=r"Train: Arguments.RoleArn is missing."):
        compile_definition(folder)


def test_a_failed_compilation_is_not_kept(folder: Path) -> None:
    good = (folder / "compile.py").read_text()
    (folder / "compile.py").write_text("raise SystemExit('broken')")
    with pytest.raises(DefinitionError):
        compile_definition(folder)
    assert not (folder.parent / ".cache").exists()
    (folder / "compile.py").write_text(good)
    assert compile_definition(folder) == "compiled 1\n"
