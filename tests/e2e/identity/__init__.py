"""Random exchanges with known bytes, which run through Envoy piece by piece."""
