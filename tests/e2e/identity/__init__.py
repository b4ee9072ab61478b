"""Random exchanges whose every byte is known before they are made, played through Envoy piece by piece."""
