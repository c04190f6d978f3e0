"""The controller under check: the real one, with the settings that every small world has."""

from datetime import datetime, timedelta
from typing import Any

from components.runtime.inventory import SWEEP as SWEEP_HINTS
from components.runtime.inventory import Hints
from components.runtime.retrain_controller import Clients, RetrainController, Settings
from components.runtime.retrain_world import Limits

from .world import ALARM, ARTIFACTS, DATA, PIPELINE

LIMITS = Limits(
    quiet_period=timedelta(minutes=5),
    max_wait=timedelta(minutes=30),
    cooldown=timedelta(hours=6),
    claim_period=timedelta(minutes=15),
    runs_per_day=3,
    hours_per_month=None,
    retries=1,
    retry_wait=timedelta(minutes=20),
)
SETTINGS = Settings(
    loop="churn",
    artifact_bucket=ARTIFACTS,
    data_bucket=DATA,
    data_prefix="data/",
    pipeline=PIPELINE,
    alarms=(ALARM,),
    queue_url="https://queue",
    namespace="Perennial",
    limits=LIMITS,
)
TIMEOUT = timedelta(minutes=2)
"""Of the function: no wake-up lives longer (components/retraining.py, RETRAIN_SECONDS)."""
SKEW = timedelta(minutes=5)
"""So far may two clocks differ."""


def wake(client: Any, now: datetime, owner: str, told: str = "") -> None:
    """One wake-up of a controller, by an event about the object that it was `told` of, or by the
    sweep."""
    hints = Hints(frozenset({told}), sweep=False) if told else SWEEP_HINTS
    clients = Clients(s3=client, sqs=client, sagemaker=client, cloudwatch=client)
    controller = RetrainController(SETTINGS, clients, owner)
    before = _kept(controller)
    try:
        controller.wake(now, hints)
    finally:
        assert _kept(controller) == before, "The controller keeps something: see memory.py."


def _kept(controller: RetrainController) -> str:
    """All that a controller can remember beyond the function that it is in."""
    store = vars(controller.inventory)
    parts = (vars(controller), store, vars(store["segments"]), vars(controller.ledger))
    return repr([sorted(part.items(), key=str) for part in parts])
