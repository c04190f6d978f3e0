"""Which loop is meant."""

import pytest

from components.cli.errors import Refusal
from components.cli.loops import Loop, choose, look_into
from components.runtime.ledger import Ledger
from tests.runtime.fakes import S3, START, Clock

CHURN = Loop("perennial-dev-churn", "churn-artifacts-1", {})
FRAUD = Loop("perennial-dev-fraud", "fraud-artifacts-1", {})
PROD = Loop("perennial-prod-churn", "churn-artifacts-2", {})


def refusal(*found: Loop, name: str | None = None, unseen: tuple[str, ...] = ()) -> str:
    with pytest.raises(Refusal) as refused:
        choose(found, name, "eu-west-1", unseen)
    return str(refused.value)


def test_the_only_loop_needs_no_name() -> None:
    assert choose([CHURN], None, "eu-west-1", []) is CHURN


def test_a_loop_is_named_whole_or_by_an_end_that_only_it_has() -> None:
    found = [CHURN, FRAUD, PROD]
    assert choose(found, "perennial-prod-churn", "eu-west-1", []) is PROD
    assert choose(found, "prod-churn", "eu-west-1", []) is PROD
    assert choose(found, "fraud", "eu-west-1", []) is FRAUD


def test_a_whole_name_goes_before_an_end() -> None:
    short = Loop("dev-churn", "churn-artifacts-3", {})
    assert choose([CHURN, short], "dev-churn", "eu-west-1", []) is short


def test_a_part_of_a_word_is_no_name() -> None:
    assert "There is no loop urn in eu-west-1" in refusal(CHURN, name="urn")


def test_of_several_loops_one_has_to_be_named() -> None:
    assert refusal(PROD, CHURN) == (
        "There are several loops in eu-west-1, give one with --loop: "
        "perennial-dev-churn, perennial-prod-churn."
    )
    assert "perennial-dev-churn, perennial-prod-churn" in refusal(CHURN, PROD, FRAUD, name="churn")


def test_a_loop_in_two_buckets_is_told_apart_by_the_bucket() -> None:
    again = Loop(CHURN.name, "churn-artifacts-9", {})
    assert refusal(CHURN, again) == (
        "perennial-dev-churn has written several buckets, give --bucket: "
        "churn-artifacts-1, churn-artifacts-9."
    )


def test_no_loop_is_one_sentence_with_what_to_look_at() -> None:
    assert refusal().startswith("There is no loop in eu-west-1: look at AWS_REGION and AWS_PROFILE")
    assert refusal(CHURN, FRAUD, name="x") == (
        "There is no loop x in eu-west-1: there is perennial-dev-churn, perennial-dev-fraud."
    )


def test_buckets_that_could_not_be_looked_into_are_said_if_nothing_was_found() -> None:
    assert refusal(unseen=("You lack a permission.",)).endswith("of others: You lack a permission.")
    assert choose([CHURN], None, "eu-west-1", ["You lack a permission."]) is CHURN


def append(s3: S3, days: int, loop: str, controller: str) -> None:
    time = START.replace(day=1 + days)
    said = {"decision": "d", "rule": "r", "reason": "r", "inputs": {}}
    Ledger(s3, "artifacts", loop).append(time, controller, **said)


def test_a_bucket_says_which_loop_writes_it_now() -> None:
    """The retrain controller's newest entry: a stack that was renamed kept its buckets."""
    s3 = S3(Clock())
    assert look_into(s3, "artifacts") is None
    append(s3, 0, "perennial-old-churn", "retrain")
    append(s3, 1, "perennial-new-churn", "retrain")
    append(s3, 2, "perennial-new-endpoint", "deploy")
    loop = look_into(s3, "artifacts")
    assert loop is not None
    assert loop.name == "perennial-new-churn"
    assert loop.newest["deploy"]["loop"] == "perennial-new-endpoint"


def test_before_the_first_look_of_the_retrain_controller_another_says_it() -> None:
    s3 = S3(Clock())
    append(s3, 0, "perennial-dev-churn", "deploy")
    loop = look_into(s3, "artifacts")
    assert loop is not None
    assert loop.name == "perennial-dev-churn"
