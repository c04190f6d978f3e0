"""The inventory: what is in the data set, whatever events were lost, doubled, late or made up."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import moto
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from components.runtime import inventory as module
from components.runtime import segment as segment_module
from components.runtime.document import Conflict
from components.runtime.inventory import HEAD_KEY, Hints, Inventory, InventoryStore, plenty
from components.runtime.segment import Entry
from components.runtime.snapshot import Changes, Snapshot
from tests.runtime.fakes import S3, START, Clock, Died, Mortal, content_id, refusal, truth

EVENTS = Path(__file__).parents[1] / "events"
NO_HINT = Hints(sweep=False)


def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes at which a handful of objects is a large data set."""
    for name, value in (
        *(("LISTS_A_SWEEP", 2), ("STEP_KEYS", 2), ("DELTA_ENTRIES", 3), ("SEGMENT_ENTRIES", 4)),
        ("THREADS", 1),  # calls in one order
    ):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(segment_module, "BLOCK_ENTRIES", 2)
    monkeypatch.setattr(segment_module, "GAP_BYTES", 0)


class Bucket:
    """A data bucket, what is in it, and inventories of it."""

    def __init__(self) -> None:
        self.s3 = S3(Clock())
        self.store = self.another()

    def another(self, s3: Any = None) -> InventoryStore:
        """A controller's view, through `s3` if given."""
        return InventoryStore(s3 or self.s3, "data", "data/", "artifacts")

    def put(self, name: str, body: str = "x") -> str:
        self.s3.put("data", f"data/{name}", body)
        return f"data/{name}"

    def delete(self, name: str) -> str:
        self.s3.delete_object(Bucket="data", Key=f"data/{name}")
        return f"data/{name}"

    def look(self, hints: Hints | None = None, store: InventoryStore | None = None) -> Inventory:
        return (store or self.store).look(hints or Hints(), self.now, plenty)

    def hint(self, *keys: str) -> Inventory:
        return self.look(Hints(frozenset(keys), sweep=False))

    @property
    def now(self) -> datetime:
        return self.s3.clock.now

    @property
    def truth(self) -> dict[str, Entry]:
        return truth(self.s3)

    def entries(self, inventory: Inventory) -> dict[str, Entry]:
        """What a reader of the snapshot is given; it verifies the id."""
        snapshot = self.store.save(inventory)
        entries = list(snapshot.entries(self.store.segments))
        assert [entry.key for entry in entries] == sorted({entry.key for entry in entries})
        return {entry.key: entry for entry in entries}


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


@pytest.fixture
def large(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """Twenty objects, adopted, where twenty are many."""
    small(monkeypatch)
    for number in range(20):
        bucket.put(f"{number:02}")
    bucket.look()
    return bucket


# --- identity -----------------------------------------------------------------------------------


def test_the_same_content_uploaded_again_is_the_same_snapshot_of_the_newer_version(
    bucket: Bucket,
) -> None:
    bucket.put("a")
    before = bucket.look()
    bucket.put("a")
    after = bucket.look()
    assert after.snapshot_id == before.snapshot_id
    assert bucket.entries(after) == bucket.truth != bucket.entries(before)
    assert after.counts == before.counts


def test_a_manifest_names_the_newest_versions_of_its_content(bucket: Bucket) -> None:
    """Older ones may be removed by the lifecycle of the data bucket."""
    bucket.put("a")
    bucket.store.save(bucket.look())
    bucket.put("a")
    inventory = bucket.look()
    bucket.store.save(inventory)
    snapshot = Snapshot.load(bucket.s3, "artifacts", inventory.snapshot_id)
    assert snapshot is not None
    assert list(snapshot.entries(bucket.store.segments)) == list(bucket.truth.values())


def test_the_order_of_uploads_and_what_came_between_do_not_matter(bucket: Bucket) -> None:
    names = list("abcdefgh")
    other = Bucket()
    for name in names:
        bucket.put(name, name)
        bucket.look()
    random.Random(1).shuffle(names)  # noqa: S311  # an order, not a secret
    for name in names:
        other.hint(other.put(name, "draft"))
        other.hint(other.put(name, name))
        other.hint(other.put("temporary"))
        other.hint(other.delete("temporary"))
    assert other.look().snapshot_id == bucket.look().snapshot_id


@pytest.mark.parametrize("change", ["overwrite", "add", "delete"])
def test_any_change_of_content_is_another_and_a_later_snapshot(bucket: Bucket, change: str) -> None:
    bucket.put("a")
    bucket.put("b", "y")
    before = bucket.look()
    match change:
        case "overwrite":
            bucket.put("a", "z")
        case "add":
            bucket.put("c", "z")
        case "delete":
            bucket.delete("a")
    after = bucket.look()
    assert after.snapshot_id != before.snapshot_id
    assert after.sequence > before.sequence
    assert bucket.look() == after


def test_a_content_that_comes_back_is_the_same_snapshot_and_yet_a_later_one(bucket: Bucket) -> None:
    bucket.put("a", "old")
    first = bucket.look()
    bucket.put("a", "new")
    bucket.look()
    bucket.put("a", "old")
    third = bucket.look()
    assert third.snapshot_id == first.snapshot_id
    assert third.sequence > first.sequence


def test_an_inventory_that_was_lost_is_made_anew_and_comes_after_the_lost_one(
    bucket: Bucket,
) -> None:
    bucket.put("a")
    lost = bucket.look()
    bucket.s3.delete_object(Bucket="artifacts", Key=HEAD_KEY)
    bucket.s3.clock.forward(minutes=1)
    anew = bucket.look()
    assert anew.snapshot_id == lost.snapshot_id
    assert anew.sequence > lost.sequence


def test_another_prefix_is_another_data_set(bucket: Bucket) -> None:
    bucket.put("a")
    bucket.look()
    bucket.s3.put("data", "other/b", "x")
    moved = InventoryStore(bucket.s3, "data", "other/", "artifacts")
    assert list(bucket.entries(bucket.look(store=moved))) == ["other/b"]


# --- what is recorded ---------------------------------------------------------------------------


def test_only_latest_versions_under_the_prefix_count(bucket: Bucket) -> None:
    bucket.put("a.csv", "old")
    bucket.put("a.csv", "new!")
    bucket.put("gone.csv")
    bucket.delete("gone.csv")
    bucket.put("folder/")
    bucket.s3.put("data", "elsewhere/b.csv", "x")
    inventory = bucket.look()
    assert [(e.key, e.size) for e in bucket.entries(inventory).values()] == [("data/a.csv", 4)]
    assert (inventory.objects, inventory.size) == (1, 4)


def test_an_empty_prefix_has_no_objects_and_no_last_change(bucket: Bucket) -> None:
    inventory = bucket.look()
    assert (inventory.objects, inventory.size, inventory.last_change) == (0, 0, None)
    assert inventory.adopted


def test_the_last_change_is_the_newest_upload_or_the_moment_a_deletion_is_seen(
    bucket: Bucket,
) -> None:
    bucket.put("a")
    bucket.s3.clock.forward(minutes=1)
    bucket.put("b")
    uploaded = bucket.now
    bucket.s3.clock.forward(minutes=1)
    assert bucket.look().last_change == uploaded > START
    bucket.delete("a")
    bucket.s3.clock.forward(minutes=1)
    assert bucket.look().last_change == bucket.now


def test_an_object_without_a_checksum_is_told_by_its_etag(bucket: Bucket) -> None:
    bucket.s3.put_object(Bucket="data", Key="data/old", Body=b"x", checksummed=False)
    bucket.put("new")
    new, old = bucket.entries(bucket.look()).values()
    assert new.checksum.startswith("sha256:")
    assert old.checksum == "etag:9dd4e461268c8034f5c8564e155c67a6"


def test_a_key_that_is_refused_for_another_reason_than_absence_is_told(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: Any) -> Any:
        raise refusal("403")

    bucket.put("a")
    monkeypatch.setattr(bucket.s3, "head_object", refused)
    with pytest.raises(ClientError, match="403"):
        bucket.look()


def test_changes_are_counted_since_a_snapshot(bucket: Bucket) -> None:
    for name in "abc":
        bucket.put(name)
    earlier = bucket.store.save(bucket.look())
    bucket.put("a", "other")
    bucket.put("d")
    bucket.delete("b")
    inventory = bucket.look()
    assert bucket.store.changes(inventory, earlier.id) == Changes(added=1, changed=1, removed=1)
    assert bucket.store.changes(inventory, "0" * 64) is None


def test_changes_are_not_counted_across_two_inventories(bucket: Bucket) -> None:
    bucket.put("a")
    earlier = bucket.store.save(bucket.look())
    bucket.s3.delete_object(Bucket="artifacts", Key=HEAD_KEY)
    bucket.s3.clock.forward(minutes=1)
    assert bucket.store.changes(bucket.look(), earlier.id) is None


# --- hints --------------------------------------------------------------------------------------


def test_a_hint_is_enough_and_only_its_key_is_looked_at(large: Bucket) -> None:
    large.s3.heads.clear()
    lists = large.s3.lists
    key = large.put("07", "other")
    assert large.entries(large.hint(key)) == large.truth
    assert large.s3.heads[0] == key
    assert large.s3.lists == lists


def test_hints_that_are_doubled_late_or_made_up_change_nothing(large: Bucket) -> None:
    before = large.hint(large.put("07", "other"))
    writes = large.s3.writes
    after = large.hint("data/07", "data/08", "data/never")
    assert after == before
    assert large.s3.writes == writes


def test_a_late_hint_of_an_upload_does_not_bring_back_what_was_deleted(large: Bucket) -> None:
    key = large.put("07", "other")
    large.delete("07")
    assert key not in large.entries(large.hint(key))
    assert key not in large.entries(large.hint(key))


def event(name: str, **changes: Any) -> str:
    body = json.loads((EVENTS / name).read_text())
    body["detail"]["object"] |= changes
    return json.dumps(body)


def test_an_event_of_the_data_bucket_hints_at_its_key_as_it_is_written() -> None:
    created = event("s3_object_created.json", key="data/a b+%41/ü.csv")
    deleted = event("s3_object_deleted.json")
    hints = Hints.of([created, deleted, deleted], "churn-data", "data/")
    assert hints == Hints(frozenset({"data/a b+%41/ü.csv", "data/customers.csv"}), sweep=False)


@pytest.mark.parametrize(
    "key", ["elsewhere/a.csv", "data/folder/", "", "data/" + "ü" * 510, "data/\ud800", 7, None]
)
def test_a_key_that_is_no_object_of_the_data_set_is_no_hint(key: Any) -> None:
    body = event("s3_object_created.json", key=key)
    assert Hints.of([body], "churn-data", "data/").keys == frozenset()


def test_an_event_of_another_bucket_is_no_hint() -> None:
    assert not Hints.of([event("s3_object_created.json")], "another", "data/").keys


@pytest.mark.parametrize(
    ("messages", "sweep"),
    [
        (["s3_object_created.json"], False),
        (["sagemaker_pipeline_execution.json", "cloudwatch_alarm.json"], False),
        (["scheduled_sweep.json"], True),
        (["s3_object_created.json", "scheduled_sweep.json"], True),
    ],
)
def test_the_schedule_sweeps_and_events_that_say_what_happened_do_not(
    messages: list[str], sweep: bool
) -> None:
    bodies = [(EVENTS / name).read_text() for name in messages]
    assert Hints.of(bodies, "churn-data", "data/").sweep is sweep


def test_a_wake_up_that_the_controller_sent_itself_is_no_sweep_and_a_persons_is() -> None:
    assert not Hints.of(["wake up: data: uploads go on"], "d", "data/").sweep
    assert Hints.of(["please look"], "d", "data/").sweep


nested = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.dictionaries(
            st.sampled_from(["detail", "bucket", "object", "key", "name", "source"]), inner
        )
        | st.lists(inner, max_size=2)
    ),
)


@given(st.lists(st.text(max_size=9) | nested.map(json.dumps), max_size=3))
def test_no_message_is_a_fault(messages: list[str]) -> None:
    assert all(key.startswith("data/") for key in Hints.of(messages, "b", "data/").keys)


# --- the listing --------------------------------------------------------------------------------


def test_a_small_data_set_is_listed_completely_at_every_sweep(bucket: Bucket) -> None:
    bucket.s3.page = 1000
    for number in range(20):
        bucket.put(f"{number:02}")
    bucket.look()
    bucket.put("19", "other")
    bucket.delete("00")
    bucket.put("new")
    bucket.s3.heads.clear()
    inventory = bucket.look()
    assert sorted(bucket.s3.heads) == ["data/00", "data/19", "data/new"]  # the others are known
    assert bucket.entries(inventory) == bucket.truth


def test_a_listing_that_finds_nothing_new_writes_nothing(bucket: Bucket) -> None:
    bucket.s3.page = 1000
    bucket.put("a")
    bucket.look()
    writes = bucket.s3.writes
    bucket.look()
    assert bucket.s3.writes == writes


def test_a_sweep_makes_so_many_requests_and_the_next_goes_on(large: Bucket) -> None:
    large.put("00", "lost")
    large.put("10", "lost")
    large.delete("19")
    pages = -(-23 // large.s3.page)
    sweeps = -(-pages // module.LISTS_A_SWEEP)
    for _ in range(sweeps):
        lists = large.s3.lists
        inventory = large.look()
        assert large.s3.lists - lists <= module.LISTS_A_SWEEP
    assert large.entries(inventory) == large.truth


def test_a_key_with_more_versions_than_a_page_holds_is_passed(large: Bucket) -> None:
    for _ in range(3 * large.s3.page):
        large.put("05", "many")
    large.delete("06")
    for _ in range(10):
        inventory = large.look()
    assert large.entries(inventory) == large.truth


def test_what_was_removed_for_good_is_found_missing(large: Bucket) -> None:
    for name in ("00", "11", "19"):
        del large.s3.buckets["data"][f"data/{name}"]
    for _ in range(10):
        inventory = large.look()
    assert large.entries(inventory) == large.truth
    assert inventory.objects == 17


# --- adoption -----------------------------------------------------------------------------------


def test_a_large_bucket_is_adopted_in_one_look_if_there_is_time(large: Bucket) -> None:
    inventory = large.look(NO_HINT)
    assert inventory.adopted
    assert large.entries(inventory) == large.truth
    assert len(inventory.delta) <= module.DELTA_ENTRIES + module.STEP_KEYS + large.s3.page
    assert len(inventory.base) > 1


def test_adoption_goes_on_where_the_last_step_ended(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    for number in range(20):
        bucket.put(f"{number:02}")
    objects = []
    while True:
        inventory = bucket.another().look(NO_HINT, bucket.now, lambda: 0)
        objects.append(inventory.objects)
        if inventory.adopted:
            break
    assert objects == [3, 6, 9, 12, 15, 18, 20]
    assert len(bucket.s3.heads) == 20  # no object is looked at twice
    assert bucket.entries(inventory) == bucket.truth


def test_what_changes_during_adoption_is_not_lost(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)
    for number in range(9):
        bucket.put(f"{number:02}")
    for name in ("00", "08", "04", "new"):
        key = bucket.put(name, f"changed {name}")
        bucket.another().look(Hints(frozenset({key})), bucket.now, lambda: 0)
    inventory = bucket.look()
    assert inventory.adopted
    assert bucket.entries(inventory) == bucket.truth


# --- folding ------------------------------------------------------------------------------------


def test_folding_keeps_the_content_and_bounds_the_delta(large: Bucket) -> None:
    for number in range(0, 20, 2):
        large.put(f"{number:02}", "even")
        large.delete(f"{number + 1:02}")
        large.put(f"{number:02}-more", "added")
    before = large.hint(*(f"data/{n:02}{m}" for n in range(20) for m in ("", "-more")))
    assert len(before.delta) > module.DELTA_ENTRIES
    large.store.tidy(large.now, plenty)
    after = large.hint()
    assert len(after.delta) <= module.DELTA_ENTRIES
    assert all(segment.objects <= module.SEGMENT_ENTRIES for segment in after.base)
    assert (after.snapshot_id, after.sequence) == (before.snapshot_id, before.sequence)
    assert large.entries(after) == large.truth


def test_a_data_set_may_be_emptied_and_filled_again(large: Bucket) -> None:
    names = [f"{number:02}" for number in range(20)]
    for change in (large.delete, large.put):
        large.hint(*map(change, names))
        large.store.tidy(large.now, plenty)
        inventory = large.hint()
        assert large.entries(inventory) == large.truth
        assert inventory.objects == len(large.truth)


def test_an_older_snapshot_stays_readable(large: Bucket) -> None:
    then = large.truth
    earlier = large.store.save(large.hint())
    for number in range(20):
        large.hint(large.put(f"{number:02}", "changed"))
        large.store.tidy(large.now, plenty)
    found = Snapshot.load(large.s3, "artifacts", earlier.id)
    assert found is not None
    assert {entry.key: entry for entry in found.entries(large.store.segments)} == then


def test_folding_gives_way_to_another_writer(large: Bucket) -> None:
    before = large.hint(*(large.put(f"{number:02}", "changed") for number in range(8)))
    other = iter([lambda: large.hint(large.put("new"))])
    large.another(Overtaken(large.s3, other)).tidy(large.now, plenty)
    after = large.hint()
    assert (after.base, len(after.delta)) == (before.base, len(before.delta) + 1)
    assert large.entries(after) == large.truth


# --- two writers, and death ---------------------------------------------------------------------


class Overtaken:
    """An S3 client that lets somebody act before the head is written, so many times."""

    def __init__(self, s3: S3, acts: Iterator[Callable[[], object]]) -> None:
        self.s3 = s3
        self.acts = acts

    def __getattr__(self, name: str) -> Any:
        return getattr(self.s3, name)

    def put_object(self, **request: Any) -> Any:
        if request["Key"] == HEAD_KEY and (act := next(self.acts, None)):
            act()
        return self.s3.put_object(**request)


def test_who_is_overtaken_looks_again_and_loses_nothing(large: Bucket) -> None:
    def other(name: str) -> Callable[[], object]:
        return lambda: large.look(Hints(frozenset({large.put(name, "o")}), sweep=False))

    mine = [large.put("00", "m"), large.put("07", "m"), large.put("new", "m")]
    slow = large.another(Overtaken(large.s3, iter([other("07"), other("13"), other("xyz")])))
    inventory = large.look(Hints(frozenset(mine), sweep=False), slow)
    assert large.entries(inventory) == large.truth


def test_an_older_observation_never_replaces_a_newer_one(large: Bucket) -> None:
    """It changes again after the slow one has looked, and the fast one has recorded that."""
    key = large.put("07", "older")
    fast = iter([lambda: large.hint(large.put("07", "newer"))])
    slow = large.another(Overtaken(large.s3, fast))
    assert large.entries(large.look(Hints(frozenset({key}), sweep=False), slow)) == large.truth


def test_who_is_overtaken_until_the_time_is_up_says_so_and_the_hints_come_back(
    large: Bucket,
) -> None:
    key = large.put("07", "mine")
    others = (lambda: large.hint(large.put("13", str(random.random()))) for _ in iter(int, 1))  # noqa: S311  # any content
    slow = large.another(Overtaken(large.s3, others))
    with pytest.raises(Conflict):
        slow.look(Hints(frozenset({key}), sweep=False), large.now, lambda: 0)
    assert large.entries(large.hint(key)) == large.truth


def busy(bucket: Bucket, mortal: Mortal | None = None) -> None:
    """Hints, a sweep and a fold."""
    store = bucket.another(mortal.client(bucket.s3)) if mortal else bucket.another()
    keys = frozenset(f"data/{n:02}" for n in range(8)) | {"data/new"}
    store.save(store.look(Hints(keys), bucket.now, plenty))
    store.tidy(bucket.now, plenty)


def changed(bucket: Bucket) -> Bucket:
    for number in range(0, 8, 2):
        bucket.put(f"{number:02}", "changed")
        bucket.delete(f"{number + 1:02}")
    bucket.put("new")
    return bucket


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_death_before_or_after_any_request_loses_nothing(
    after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    small(monkeypatch)

    def prepared() -> Bucket:
        bucket = Bucket()
        for number in range(20):
            bucket.put(f"{number:02}")
        bucket.look()
        return changed(bucket)

    counted = Mortal()
    busy(prepared(), counted)
    assert {"put_object", "get_object", "head_object", "list_object_versions"} == set(counted.calls)
    for number in range(len(counted.calls)):
        bucket = prepared()
        with pytest.raises(Died):
            busy(bucket, Mortal(number, after=after))
        busy(bucket)  # the messages come again
        inventory = bucket.hint()
        assert bucket.entries(inventory) == bucket.truth
        assert inventory.counts.added - inventory.counts.removed == inventory.objects


names = st.sampled_from([*"abcdefgh", "c/d", "é", "b\n"])
bodies = st.sampled_from(["", "x", "y", "longer"])


class World(RuleBasedStateMachine):
    """Anything may happen to the bucket, its events and the controllers: the truth is found."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        small(self.patch)
        self.bucket = Bucket()
        self.told: set[str] = set()
        """Keys of which an event is on its way."""
        self.untold: set[str] = set()
        """Keys of which every event was lost."""
        self.saved: dict[str, dict[str, Entry]] = {}
        self.newest: Inventory | None = None

    def teardown(self) -> None:
        self.patch.undo()

    # The bucket.

    def happened(self, key: str, lost: bool) -> None:
        (self.untold if lost else self.told).add(key)
        self.bucket.s3.clock.forward(seconds=1)

    @rule(name=names, body=bodies, lost=st.booleans())
    def upload(self, name: str, body: str, lost: bool) -> None:
        self.happened(self.bucket.put(name, body), lost)

    @rule(name=names, lost=st.booleans())
    def delete(self, name: str, lost: bool) -> None:
        self.happened(self.bucket.delete(name), lost)

    @rule(name=names, lost=st.booleans())
    def remove_the_latest_version_for_good(self, name: str, lost: bool) -> None:
        versions = self.bucket.s3.buckets.get("data", {}).get(f"data/{name}")
        if versions:
            versions.pop()
            self.happened(f"data/{name}", lost)

    # The controllers.

    def accept(self, inventory: Inventory, keys: frozenset[str]) -> None:
        if self.newest:
            assert inventory.sequence >= self.newest.sequence
            if inventory.sequence == self.newest.sequence:
                assert inventory.snapshot_id == self.newest.snapshot_id
        self.newest = inventory
        self.told -= keys
        self.untold -= keys

    @rule(share=st.integers(1, 3), sweep=st.booleans(), forged=st.sets(names, max_size=2))
    def wake(self, share: int, sweep: bool, forged: set[str]) -> None:
        keys = frozenset([*sorted(self.told)[::share], *(f"data/{name}" for name in forged)])
        store = self.bucket.another()
        self.accept(store.look(Hints(keys, sweep), self.bucket.now, plenty), keys)

    @rule(
        name=names,
        others=st.lists(st.tuples(names, bodies, st.booleans()), min_size=1, max_size=3),
        sweep=st.booleans(),
    )
    def wake_and_be_overtaken(
        self, name: str, others: list[tuple[str, str, bool]], sweep: bool
    ) -> None:
        late: set[str] = set()  # changed since, and the event is still on its way

        def act(name: str, body: str, known: bool) -> Callable[[], object]:
            def overtake() -> None:
                key = self.bucket.put(name, body)
                if known:
                    hints = Hints(frozenset({key}), sweep=False)
                    self.accept(self.bucket.look(hints, self.bucket.another()), hints.keys)
                    late.discard(key)
                else:
                    self.told.add(key)
                    late.add(key)

            return overtake

        keys = frozenset({*self.told, f"data/{name}"})
        slow = self.bucket.another(
            Overtaken(self.bucket.s3, iter([act(*other) for other in others]))
        )
        inventory = slow.look(Hints(keys, sweep), self.bucket.now, plenty)
        self.accept(inventory, keys - late)

    @rule(at=st.integers(0, 30), after=st.booleans(), sweep=st.booleans())
    def die(self, at: int, after: bool, sweep: bool) -> None:
        store = self.bucket.another(Mortal(at, after=after).client(self.bucket.s3))
        keys = frozenset(self.told)
        try:
            self.accept(store.look(Hints(keys, sweep), self.bucket.now, plenty), keys)
            store.tidy(self.bucket.now, plenty)
        except Died:
            return  # the messages come again

    @rule()
    def tidy(self) -> None:
        self.bucket.store.tidy(self.bucket.now, plenty)

    @rule()
    def save(self) -> None:
        inventory = self.bucket.hint()
        self.newest = inventory
        self.saved[inventory.snapshot_id] = self.bucket.entries(inventory)

    @precondition(lambda self: self.untold or self.told)
    @rule()
    def sweep_until_the_listing_has_gone_round(self) -> None:
        versions = sum(map(len, self.bucket.s3.buckets.get("data", {}).values()))
        for _ in range(versions + 2):
            inventory = self.bucket.look()
        self.accept(inventory, frozenset(self.told | self.untold))

    # What always holds.

    @invariant()
    def all_that_was_told_is_known(self) -> None:
        if self.newest is None:
            return
        inventory = self.newest
        known, there = self.bucket.entries(inventory), self.bucket.truth
        for key in known.keys() | there.keys():
            if key not in self.told | self.untold:
                assert known.get(key) == there.get(key)
        assert inventory.snapshot_id == content_id(known)
        assert inventory.objects == len(known)
        assert inventory.size == sum(entry.size for entry in known.values())
        assert inventory.counts.added - inventory.counts.removed == len(known)

    @invariant()
    def every_snapshot_stays_readable(self) -> None:
        for snapshot_id, entries in self.saved.items():
            snapshot = Snapshot.load(self.bucket.s3, "artifacts", snapshot_id)
            assert snapshot is not None
            found = {entry.key: entry for entry in snapshot.entries(self.bucket.store.segments)}
            assert {key: entry.content for key, entry in found.items()} == {
                key: entry.content for key, entry in entries.items()
            }


World.TestCase.settings = hypothesis_settings(
    max_examples=200, stateful_step_count=30, deadline=timedelta(seconds=20)
)
TestWorld = World.TestCase


# --- boto3 --------------------------------------------------------------------------------------


def test_it_works_with_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    small(monkeypatch)
    with moto.mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1")
        for name in ("data", "artifacts"):
            s3.create_bucket(Bucket=name)
        s3.put_bucket_versioning(Bucket="data", VersioningConfiguration={"Status": "Enabled"})
        for body in (b"old", b"new"):
            s3.put_object(Bucket="data", Key="data/a.csv", Body=body, ChecksumAlgorithm="SHA256")
        for number in range(9):
            s3.put_object(Bucket="data", Key=f"data/b c+{number}.csv", Body=b"x")
        s3.delete_object(Bucket="data", Key="data/b c+5.csv")
        store = InventoryStore(s3, "data", "data/", "artifacts")
        store.look(Hints(), START, plenty)
        store.tidy(START, plenty)
        s3.delete_object(Bucket="data", Key="data/b c+6.csv")
        inventory = store.look(Hints(frozenset({"data/b c+6.csv"}), False), START, plenty)
        first, *others = store.save(inventory).entries(store.segments)
        assert [entry.key[-5] for entry in others] == list("0123478")
        read = s3.get_object(Bucket="data", Key=first.key, VersionId=first.version_id)
        assert read["Body"].read() == b"new"
        assert first.checksum.startswith("sha256:")
        assert (inventory.objects, len(inventory.base) > 1) == (8, True)
        assert InventoryStore(s3, "data", "data/", "artifacts").look(Hints(), START, plenty) == (
            inventory
        )
