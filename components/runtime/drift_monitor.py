"""The drift monitor: counts captured traffic over the live model's baseline, and reports drift.

What its role must allow (action: resource; ENDPOINT stands for ENDPOINT_NAME):

- sagemaker:DescribeEndpoint: endpoint/ENDPOINT
- sagemaker:DescribeEndpointConfig: endpoint-config/* (the endpoint's, whoever named it)
- sagemaker:DescribeModel: model/* (the configuration's)
- sagemaker:DescribeModelPackage: the model packages of the endpoint's group
- s3:ListBucket: the artifact bucket, without a condition on the prefix (it lists capture/, and
  without it S3 answers 403, not 404, for an object that does not exist yet)
- s3:GetObject: ARTIFACT_BUCKET/capture/ENDPOINT/*, /runs/* (baselines), /state/monitor.json
- s3:PutObject: ARTIFACT_BUCKET/state/monitor.json, /state/ledger/*, /monitor/reports/*
- cloudwatch:PutMetricData: *, with the condition cloudwatch:namespace = NAMESPACE
- for the event source mapping sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes: its
  queue; sqs:SendMessage too (QUEUE_URL)
- kms:Decrypt, kms:GenerateDataKey: the bucket's and the queue's key, where one is set
- logs:CreateLogStream, logs:PutLogEvents: its own log group

A capture file is counted once: the counts and the names of the files in them are one document,
changed by compare-and-swap. A report is written into that document before it is published, so that
a monitor that dies in between publishes it the next time.
"""
