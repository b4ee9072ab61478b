"""What the suite is written with: istiod, proxies under Istio's own agent, the manifests, and what a proxy shows."""
