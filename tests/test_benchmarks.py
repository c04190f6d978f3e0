"""What is compared in benchmarks/ is the same thing, declared in two ways."""

import subprocess
import sys
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pytest

import benchmarks.__main__
from benchmarks import bare, loops, recording
from benchmarks.recording import Declaration, record

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def two_loops() -> list[Declaration]:
    return record(lambda: loops.declare(2))


def test_the_bare_program_declares_the_same_resources_inputs_and_dependencies_in_the_same_order(
    two_loops: list[Declaration],
) -> None:
    assert record(lambda: bare.declare(two_loops)) == two_loops


@pytest.mark.parametrize("option", ["--runs", "--loops"])
@pytest.mark.parametrize("given", ["0", "-1", "many"])
def test_how_much_is_measured_is_one_or_more(
    option: str, given: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", f"{option}={given}"])
    with pytest.raises(SystemExit):
        benchmarks.__main__.main()
    assert f"{given} is given, and it must be 1 or more" in capsys.readouterr().err


def test_a_recording_can_be_kept_in_a_file(two_loops: list[Declaration], tmp_path: Path) -> None:
    recording.save(two_loops, tmp_path / "recording")
    assert recording.load(tmp_path / "recording") == two_loops


def test_a_recording_says_which_output_was_used_where_and_what_was_only_waited_for() -> None:
    def program() -> None:
        rule = aws.cloudwatch.EventRule("rule", schedule_expression="rate(1 day)")
        queue = aws.sqs.Queue("queue", policy=pulumi.Output.json_dumps({"from": rule.arn}))
        aws.sqs.Queue("other", opts=pulumi.ResourceOptions(depends_on=[queue], protect=True))

    rule, queue, other = record(program)
    assert rule.depends_on == queue.depends_on == []
    assert queue.inputs["policy"] == '{"from": "${aws:cloudwatch/eventRule:EventRule|rule|arn}"}'
    assert other.depends_on == [["aws:sqs/queue:Queue", "queue"]]
    assert (queue.protect, other.protect) == (False, True)


def test_importing_the_components_loads_no_service_of_the_aws_provider() -> None:
    """Loading them takes as long as everything else together; a program loads what it uses."""
    code = (
        "import sys, pulumi, components; assert components.DataStore; "
        "print(*(each for each in sys.modules if 'pulumi_aws.s3.' in each))"
    )
    done = subprocess.run(  # noqa: S603  our own code under our interpreter
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == ""
