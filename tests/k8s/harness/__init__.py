"""Helpers of the suite: an API server, and manifests as kubectl renders them."""
