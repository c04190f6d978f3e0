"""SageMaker's scikit-learn image, looked up in the SDK's data files without importing the SDK."""

import json
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

VERSION = "1.9-0"


def default_image(region: str) -> str:
    """URI of SageMaker's scikit-learn 1.9-0 image in `region`, for training and inference alike.

    The registry accounts are those of the SageMaker SDK (`sagemaker.core.image_uris`), the domains
    those of botocore's partitions. Raises ValueError for a region without the image.
    """
    config = _data("sagemaker", "core/image_uri_config/sklearn.json")["training"]["versions"]
    registries = config[VERSION]["registries"]
    if region not in registries:
        raise ValueError(
            f"SageMaker's scikit-learn {VERSION} image is not in the region {region!r}. "
            f"Set an image of your own, or choose one of: {', '.join(sorted(registries))}."
        )
    repository = config[VERSION]["repository"]
    return (
        f"{registries[region]}.dkr.ecr.{region}.{_domain(region)}"
        f"/{repository}:{VERSION}-cpu-{config[VERSION]['py_versions'][0]}"
    )


def _domain(region: str) -> str:
    """Domain of the AWS partition that `region` belongs to, such as `amazonaws.com`."""
    for partition in _data("botocore", "data/partitions.json")["partitions"]:
        if re.fullmatch(partition["regionRegex"], region):
            return str(partition["outputs"]["dnsSuffix"])
    raise ValueError(f"{region!r} is in no partition of AWS that botocore knows. Update botocore.")


@cache
def _data(package: str, path: str) -> Any:
    """A JSON file inside an installed package, found without running the package's code."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        if (file := Path(folder) / path).is_file():
            return json.loads(file.read_text("utf-8"))
    raise FileNotFoundError(
        f"{path} of the package {package} is not installed: pip install -r requirements.txt."
    )
