"""Helpers of the suite: istiod, proxies under Istio's own agent, the manifests, and the stats of a proxy."""
