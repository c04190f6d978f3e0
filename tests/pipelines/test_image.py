"""The default image of a region; its accounts and domains are those that AWS documents."""

import pytest

from pipelines import default_image


@pytest.mark.parametrize(
    ("region", "image"),
    [
        (
            "eu-west-1",
            "141502667606.dkr.ecr.eu-west-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3",
        ),
        (
            "cn-north-1",
            "450853457545.dkr.ecr.cn-north-1.amazonaws.com.cn/sagemaker-scikit-learn:1.9-0-cpu-py3",
        ),
        (
            "us-gov-west-1",
            "414596584902.dkr.ecr.us-gov-west-1.amazonaws.com/sagemaker-scikit-learn:1.9-0-cpu-py3",
        ),
    ],
)
def test_the_image_of_a_region(region: str, image: str) -> None:
    assert default_image(region) == image


def test_a_region_without_the_image_is_told_what_to_do() -> None:
    with pytest.raises(ValueError, match=r"not in the region 'eu-west-9'\. Set an image of your"):
        default_image("eu-west-9")
