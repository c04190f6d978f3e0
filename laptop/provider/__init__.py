"""The resource handlers as Pulumi's provider ``aws``, in a process of its own.

``python -m laptop.provider`` prints its port; ``PULUMI_DEBUG_PROVIDERS=aws:<port>`` attaches the
Pulumi engine to it. It keeps nothing about resources: the engine's state is all there is.
"""
