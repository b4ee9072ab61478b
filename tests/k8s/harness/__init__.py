"""What the suite is written with: an API server, and manifests as kubectl renders them."""
