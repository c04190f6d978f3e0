"""Where the provider works is asked of the provider that a component was given, once."""

import pulumi
import pulumi_aws as aws
import pytest

from components import RetrainingTriggers
from tests.components.conftest import Loop
from tests.conftest import Deploy

Asked = list[pulumi.ProviderResource | None]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """The providers that were asked for their region, in order."""
    providers: Asked = []
    ask = aws.get_region_output

    def get_region_output(opts: pulumi.InvokeOutputOptions) -> object:
        providers.append(opts.provider)
        return ask(opts=opts)

    monkeypatch.setattr(aws, "get_region_output", get_region_output)
    return providers


def test_all_loops_of_a_program_ask_once(deploy: Deploy, loop: Loop, asked: Asked) -> None:
    def program() -> None:
        loop("churn")
        loop("fraud")

    deploy(program)
    deploy(loop)
    assert asked == [None, None]


def test_a_component_asks_the_provider_that_it_was_given(
    deploy: Deploy, loop: Loop, asked: Asked
) -> None:
    def program() -> None:
        loop("churn")
        for region in ("us-east-1", "us-west-2"):
            RetrainingTriggers(
                region,
                {"data_bucket_name": "d", "artifact_bucket_name": "a", "pipeline_name": "p"},
                pulumi.ResourceOptions(providers=[aws.Provider(region, region=region)]),
            )

    deploy(program)
    default, east, west = asked
    assert default is None
    assert east is not west
    assert isinstance(east, aws.Provider)
    assert isinstance(west, aws.Provider)
