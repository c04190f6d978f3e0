"""Outputs inside of texts and documents: one output comes of them, that keeps what it stands on."""

import json
from pathlib import PurePosixPath
from typing import Any

import pulumi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pulumi_aws import sqs

from components._outputs import Member, Text, json_text, lift
from tests.conftest import Deploy

words = st.text('ab${}|"\\', max_size=3)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


def hidden(value: Any, hide: Any) -> Any:
    """The same value, with outputs in the place of what ``hide`` says."""
    if isinstance(value, dict):
        return {name: hidden(each, hide) for name, each in value.items()}
    if isinstance(value, list):
        return [hidden(each, hide) for each in value]
    return pulumi.Output.from_input(value) if hide() else value


@settings(max_examples=30)
@given(values, st.data())
def test_a_value_comes_back_wherever_outputs_were_in_it(
    deploy: Deploy, value: Any, data: st.DataObject
) -> None:
    draws = st.booleans()

    def program() -> None:
        pulumi.export("found", lift(hidden(value, lambda: data.draw(draws)), json.dumps))

    assert json.loads(deploy(program).outputs["found"]) == value


def test_texts_are_joined_inside_of_each_other_and_of_documents(deploy: Deploy) -> None:
    def program() -> None:
        name = pulumi.Output.from_input("b")
        pulumi.export("found", json_text({"x": [Text("a", name, Text("-", name)), name, "c"]}))

    assert deploy(program).outputs["found"] == '{"x": ["ab-b", "b", "c"]}'


def test_members_of_an_output_wait_for_it_once(
    deploy: Deploy, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited_for: list[int] = []
    wait = pulumi.Output.all

    def counted(*outputs: Any) -> Any:
        waited_for.append(len(outputs))
        return wait(*outputs)

    def program() -> None:
        path = pulumi.Output.from_input(PurePosixPath("a/b.c"))
        text = Text(Member(path, "stem"), " in ", Member(path, "name"))
        with monkeypatch.context() as patch:
            patch.setattr(pulumi.Output, "all", counted)
            found = json_text({"x": [text, Member(path, "suffix")]})
        pulumi.export("found", found)

    assert deploy(program).outputs["found"] == '{"x": ["b in b.c", ".c"]}'
    assert waited_for == [1]


def test_what_has_no_output_in_it_is_there_at_once() -> None:
    assert json_text({"x": [Text("a", Text("b")), None]}) == '{"x": ["ab", null]}'


def test_what_a_text_was_made_of_is_waited_for_and_a_secret_stays_one(deploy: Deploy) -> None:
    secret: list[bool] = []

    def program() -> object:
        queue = sqs.Queue("first")
        sqs.Queue("second", policy=json_text({"to": Text(queue.arn, "/*")}))
        text = pulumi.Output.from_input(lift(Text("a", pulumi.Output.secret("b"))))
        is_secret: Any = text.is_secret()
        return pulumi.Output.from_input(is_secret).apply(secret.append)

    engine = deploy(program)
    first, second = engine.one("Queue", "first"), engine.one("Queue", "second")
    assert first.urn in second.depends_on
    assert second.json("policy") == {"to": f"{first.outputs['arn']}/*"}
    assert secret == [True]
