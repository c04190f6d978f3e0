"""A SageMaker for the laptop: pipelines whose steps run, a registry, endpoints that answer."""
