"""The live picture and the command line."""

import io

import pytest
from rich.console import Console

from laptop.__main__ import main
from laptop.demo.story import Run, Stage, Story
from laptop.demo.view import View, picture


@pytest.fixture
def story() -> Story:
    story = Story()
    story.open("drift: the traffic moves")
    run = Run(1, "arn", steps={"Prepare": Stage("Prepare", "Succeeded", began=1.0, ended=2.5)})
    run.steps["Train"] = Stage("Train", "Failed", began=2.5, ended=3.0)
    story.runs["arn"] = run
    story.endpoint, story.alarm = "InService, churn-v1", "ALARM"
    story.drift.append((4.0, 0.5))
    story.requests, story.errors = 120, 3
    story.tell("retrain", "start: drift: alarm churn in ALARM")
    return story


def shown(story: Story) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    console.print(picture(story))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "drift: the traffic moves",
        "✓ 1.5 s",
        "✗ 0.5 s",
        "InService, churn-v1",
        "50% of columns",
        "120",
        "ALARM",
        "start: drift: alarm churn in ALARM",
    ],
)
def test_the_picture_shows_stages_with_durations_and_the_timeline(story: Story, text: str) -> None:
    assert text in shown(story)


def test_a_story_that_has_not_begun_can_be_shown() -> None:
    assert "no run yet" in shown(Story())


def test_without_a_terminal_every_moment_is_a_line(story: Story) -> None:
    console = Console(file=io.StringIO(), width=120, force_terminal=False)
    with View(story, console):
        story.tell("deploy", "confirm: Version 1 is live.")
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert [line.split()[2] for line in lines] == ["retrain", "deploy"]


def test_a_chapter_ends_when_the_next_begins(story: Story) -> None:
    story.open("code")
    story.close()
    assert [chapter.status for chapter in story.chapters] == ["done", "done"]


@pytest.mark.parametrize("number", ["99999", "-1", "http"])
def test_a_port_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], number: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["serve", "--port", number])
    assert "--port" in capsys.readouterr().err


def test_columns_without_a_file_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--target", "churned"]) == 1
    assert "give DATA=file.csv too" in capsys.readouterr().err
