// The state of the servers behind the filter: their names, and whether they can be reached.

const HEALTHY = "envoy_cluster_membership_healthy";
/** Begin of the names of the sidecar's own clusters. In an Envoy without one the other clusters may be anything. */
const OWN_CLUSTER = "sidecar/";

/** Names of the servers in a scrape, in order. Before the first call the sidecar's cluster has the name. */
export function serverNames(scrape) {
  const names = namesOfFilter(scrape);
  return [...(names.size ? names : healthOfSidecar(scrape).keys())].sort();
}

/** Whether each server can be reached, by name. A server is absent if neither the filter nor the sidecar's health check says it. */
export function availability(scrape) {
  const available = new Map();
  for (const [{ name, labels }, value] of scrape) {
    if (name !== "mcp_upstream_available") continue;
    available.set(labels.server_name, (available.get(labels.server_name) ?? true) && value > 0);
  }
  const names = [...namesOfFilter(scrape)];
  for (const [cluster, isHealthy] of healthOfSidecar(scrape)) {
    const server = names.find((name) => isClusterOf(cluster, name)) ?? cluster;
    if (!available.has(server)) available.set(server, isHealthy);
  }
  return available;
}

/** Whether a server can be reached, or all of them if it is null; null if it is not known. */
export function isAvailable(available, server) {
  if (server !== null) return available.get(server) ?? null;
  return available.size ? [...available.values()].every(Boolean) : null;
}

/** The port of the sidecar's MCP listener; null in another Envoy. */
export function mcpPort(scrape) {
  for (const { name, labels } of scrape.keys()) {
    if (name === "envoy_listener_http_downstream_rq_xx" && labels.envoy_http_conn_manager_prefix === "mcp") {
      return /_(\d+)$/.exec(labels.envoy_listener_address ?? "")?.[1] ?? null;
    }
  }
  return null;
}

function namesOfFilter(scrape) {
  const names = new Set();
  for (const { labels } of scrape.keys()) if (labels.server_name) names.add(labels.server_name);
  return names;
}

/** Whether the sidecar's server is healthy, by the name of its cluster; empty in another Envoy. */
function healthOfSidecar(scrape) {
  const clusters = new Map();
  let isSidecar = false;
  for (const [{ name, labels: { envoy_cluster_name: cluster } }, value] of scrape) {
    if (name !== HEALTHY || !cluster) continue;
    if (cluster.startsWith(OWN_CLUSTER)) isSidecar = true;
    else if (!cluster.includes("/")) clusters.set(cluster, value > 0);
  }
  return isSidecar ? clusters : new Map();
}

/** Envoy ends the label at a dot, so the sidecar writes another character in the cluster's name. */
function isClusterOf(cluster, server) {
  return cluster === server.replaceAll(".", "_");
}
