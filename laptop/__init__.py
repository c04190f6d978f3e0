"""An AWS for the laptop: one loopback endpoint, IAM enforced, with a SageMaker whose jobs run."""

REGION = "eu-west-1"
ACCOUNT = "123456789012"
