"""The inventory: what is in the data set now, kept up to date in proportion to what changes.

The interface, ahead of the code:

    hints = Hints.of(event, bucket, prefix)       # the keys in the messages; whether to sweep
    store = InventoryStore(s3, data_bucket, prefix, artifact_bucket)
    inventory = store.look(hints, now, time_left) # records what has changed; Conflict: come again
    inventory.adopted                             # False: the first listing is not complete yet
    inventory.snapshot_id, .sequence              # what the content is; its place in the order
    inventory.objects, .size, .last_change        # bytes; S3's clock for uploads
    store.changes(inventory, snapshot_id)         # Changes since a saved snapshot; None: unknown
    store.save(inventory)                         # the manifest, before a run is started with it
    store.tidy(time_left)                         # after the decision: fold a delta that is full

`look` raises Conflict if others kept writing until its time was used up: the messages must then not
be acknowledged, or their hints are lost (until the listing comes round). `time_left()` is in
seconds; in Lambda `context.get_remaining_time_in_millis() / 1000`. While `adopted` is False the
controller decides nothing on data and wakes itself again at once.
"""
