"""The real pipeline under test: sidecars, the collector, Prometheus and an OTLP backend, each a process on free ports."""
