"""`python -m pipelines.compile` writes the pipeline definition to its standard output.

A process of its own, so that the Pulumi program never imports the SageMaker SDK. The JSON is
normalised (sorted keys, no white space) and does not depend on the machine, the folder or the time.
"""

import json
import logging
import os
import sys
import warnings
from typing import Any

from .check import problems


def compiled() -> dict[str, Any]:
    """The definition as the SDK makes it, without what is null."""
    # Read while the SDK is imported or used: without a region it raises, and unless told not to,
    # it asks IAM whether the role of the training job would do, and EC2 for credentials.
    os.environ |= {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_VALIDATE_ROLE": "false",
    }
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    from sagemaker.core.config.config_manager import SageMakerConfig

    from .definition import pipeline

    # The SDK validates its (here constant) configuration anew at every look, 44 times 0.15 s.
    SageMakerConfig.validate_sagemaker_config = staticmethod(lambda _: None)

    definition: dict[str, Any] = json.loads(pipeline().definition())
    return {key: value for key, value in definition.items() if value is not None}


def main() -> int:
    definition = compiled()
    if found := problems(definition):
        print("AWS would refuse it:", *found, sep="\n- ", file=sys.stderr)
        return 1
    print(json.dumps(definition, sort_keys=True, separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
