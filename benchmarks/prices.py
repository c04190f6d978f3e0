"""What AWS asks for, in US dollars, each with where that was read.

The library of the bench holds AWS's own pricing pages without their figures, so most sources are
others' tables, of US East (N. Virginia). That Ireland (eu-west-1) asks the same for these, but for
logs, is from knowledge, not looked up. Free tiers are not counted: they are an account's, once.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Price:
    """`dollars` for one `unit`."""

    dollars: float
    unit: str
    source: str


S3_WRITE = Price(
    0.005 / 1000, "PUT or LIST request", "c3x.dev/blog/s3-request-fees-explained, Standard"
)
S3_READ = Price(
    0.0004 / 1000, "GET or HEAD request", "c3x.dev/blog/s3-request-fees-explained, Standard"
)
SQS = Price(0.40 / 1e6, "SQS request", "cloudburn.io/blog/amazon-sqs-pricing, March 2026")
CLOUDWATCH = Price(
    0.01 / 1000, "CloudWatch API request", "from knowledge, not looked up (us-east-1)"
)
FREE = Price(0.0, "request", "SageMaker and CloudWatch Logs: from knowledge, not looked up")
LAMBDA_REQUEST = Price(0.20 / 1e6, "invocation", "aws.amazon.com/lambda/pricing, read by others")
LAMBDA_GB_SECOND = Price(
    0.0000133334, "GB-second, arm64", "cloudchipr.com/blog/aws-lambda-pricing, 2024"
)
LOG_GB = Price(0.57, "GB of log", "from knowledge, not looked up (eu-west-1; us-east-1: 0.50)")
ALARM_MONTH = Price(
    0.10, "alarm and month", "c3x.dev/resources/aws/aws_cloudwatch_metric_alarm, standard"
)
METRIC_MONTH = Price(
    0.30, "custom metric and month, by the hour", "signoz.io/guides/cloudwatch-pricing, Feb. 2026"
)
KEY_MONTH = Price(1.0, "KMS key and month", "from knowledge, not looked up")

POLLERS = 5
POLLERS_AT_LEAST = 2
"""Of an idle event source mapping. AWS goes down from 5 to as few as 2, but not where a maximum of
concurrency is set: docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html."""
POLLS_A_MINUTE = 3
"""Of each poller: it polls for 20 seconds. Nobody at AWS says so; observed were 15 empty receives
a minute and queue, github.com/getlift/lift/issues/132."""


def of_request(operation: str) -> Price:
    """The price of one request, such as `s3:GetObject`. Raises ValueError for one not known."""
    service, _, name = operation.partition(":")
    if service == "s3":
        return S3_READ if name.startswith(("Get", "Head")) else S3_WRITE
    prices = {"sqs": SQS, "cloudwatch": CLOUDWATCH, "sagemaker": FREE, "logs": FREE}
    if service not in prices:
        raise ValueError(f"{operation} has no price here: add it to benchmarks/prices.py.")
    return prices[service]
