"""Who may import whom, read from the syntax trees: each part knows only what it may know."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OUTSIDE = {".venv", ".venv-steps", ".cache", "build", "dist"}


@dataclass(frozen=True)
class Rule:
    """The top-level modules that the files of one part may import besides the standard library."""

    files: str
    may: frozenset[str]


RULES = {
    "the program": Rule("__main__.py", frozenset({"components", "pipelines", "pulumi"})),
    "components": Rule(
        "components/*.py",
        frozenset({"grpc", "pulumi", "pulumi_aws"}),  # grpc is Pulumi's: what an engine refuses
    ),
    "the command line": Rule("components/cli/**/*.py", frozenset({"boto3", "botocore"})),
    "what runs in Lambda": Rule("components/runtime/**/*.py", frozenset({"boto3", "botocore"})),
    "pipelines": Rule("pipelines/*.py", frozenset({"boto3", "botocore", "sagemaker"})),
    "the examples": Rule(
        "examples/**/*.py", frozenset({"perennial_mlops", "pulumi", "pulumi_aws"})
    ),
    "steps": Rule(
        "pipelines/steps/**/*.py",
        frozenset(
            {
                *("boto3", "botocore", "fairlearn", "joblib", "numpy", "pandas", "pandera"),
                *("runtime", "sklearn", "steps"),
            }
        ),
    ),
}


def files(pattern: str) -> list[Path]:
    found = [path for path in ROOT.glob(pattern) if not OUTSIDE & set(path.parts)]
    assert found, f"no file matches {pattern}"
    return found


def imports(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def modules(path: Path) -> set[str]:
    """Dotted names of what a file imports absolutely, in functions too."""
    names: set[str] = set()
    for node in imports(path):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif node.level == 0 and node.module:
            names.add(node.module)
    return names


def top(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def broken(found: dict[str, set[str]]) -> dict[str, set[str]]:
    return {name: what for name, what in found.items() if what}


@pytest.mark.parametrize("part", RULES)
def test_a_part_imports_only_what_it_may(part: str) -> None:
    rule = RULES[part]
    found = {
        str(path.relative_to(ROOT)): top(modules(path)) - set(sys.stdlib_module_names) - rule.may
        for path in files(rule.files)
    }
    assert not broken(found)


def test_a_component_knows_no_other_stage() -> None:
    """Only private helpers; `_public` gathers the stages."""
    found = {
        path.name: {
            name
            for node in imports(path)
            if isinstance(node, ast.ImportFrom) and node.level
            for name in ([node.module] if node.module else [each.name for each in node.names])
            if node.level > 1 or not name.startswith("_")
        }
        for path in files("components/*.py")
        if path.name != "_public.py"
    }
    assert not broken(found)


def test_the_command_line_knows_the_runtime_and_no_component() -> None:
    """A component would bring Pulumi, whose import it must not wait for."""
    found = {
        path.name: {
            node.module or "."
            for node in imports(path)
            if isinstance(node, ast.ImportFrom)
            and node.level > 1
            and not (node.module or "").startswith("runtime.")
        }
        for path in files("components/cli/*.py")
    }
    assert not broken(found)


def test_no_component_postpones_its_annotations() -> None:
    """Pulumi infers the schema from live annotations."""
    found = {path.name: modules(path) & {"__future__"} for path in files("components/*.py")}
    assert not broken(found)


def test_the_runtime_reaches_nothing_outside_of_itself() -> None:
    """It is one folder of an archive: a relative import above it would find nothing there."""
    found = {
        path.name: {
            f"level {node.level}"
            for node in imports(path)
            if isinstance(node, ast.ImportFrom) and node.level > 1
        }
        for path in files("components/runtime/*.py")
    }
    assert not broken(found)


@pytest.mark.parametrize("folder", ["laptop", "benchmarks"])
def test_the_insides_of_pipelines_are_used_by_nobody_else(folder: str) -> None:
    found = {
        str(path.relative_to(ROOT)): {
            name for name in modules(path) if name.startswith("pipelines.")
        }
        for path in files(f"{folder}/**/*.py")
    }
    assert not broken(found)


@pytest.mark.parametrize("folder", ["components", "pipelines"])
def test_nothing_that_is_provisioned_knows_the_laptop(folder: str) -> None:
    found = {
        str(path.relative_to(ROOT)): top(modules(path)) & {"laptop", "benchmarks"}
        for path in files(f"{folder}/**/*.py")
    }
    assert not broken(found)


def test_nobody_imports_the_program() -> None:
    found = {str(path.relative_to(ROOT)): modules(path) & {"__main__"} for path in files("**/*.py")}
    assert not broken(found)


def test_the_folder_of_the_components_is_no_program_of_its_own() -> None:
    """With a `__main__.py` Pulumi would take the package for a hand-written provider."""
    assert not (ROOT / "components" / "__main__.py").exists()
