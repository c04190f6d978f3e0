"""A package, so that `tests` is this folder also outside of pytest: a distribution that is installed has a
folder of that name."""
