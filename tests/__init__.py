"""A package: an installed distribution has a folder of that name, which must not be found first."""
