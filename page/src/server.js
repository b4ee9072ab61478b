// The state of the servers behind the filter: their names, and whether they can be reached.

/** Names of the servers in a scrape, in order. Before the first call the sidecar's cluster has the name. */
export function serverNames(scrape) {
  const names = new Set();
  const clusters = new Set();
  for (const { name, labels } of scrape.keys()) {
    if (labels.server_name !== undefined) names.add(labels.server_name);
    else if (name === "envoy_cluster_membership_healthy" && isServer(labels)) clusters.add(labels.envoy_cluster_name);
  }
  return [...(names.size ? names : clusters)].sort();
}

/** true or false; null if neither the filter nor Envoy's health check says it. */
export function isAvailable(scrape, server) {
  let told = null;
  let checked = null;
  for (const [{ name, labels }, value] of scrape) {
    if (name === "mcp_upstream_available" && (server === null || labels.server_name === server)) {
      told = (told ?? true) && value > 0;
    } else if (name === "envoy_cluster_membership_healthy" && isServer(labels)) {
      if (server === null || isClusterOf(labels.envoy_cluster_name, server)) checked = (checked ?? true) && value > 0;
    }
  }
  return told ?? checked;
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

/** Clusters of the sidecar itself have a slash. */
function isServer(labels) {
  return !labels.envoy_cluster_name?.includes("/");
}

/** Envoy ends the label at a dot, so the sidecar writes another character in the cluster's name. */
function isClusterOf(cluster, server) {
  return cluster === server || cluster === server.replaceAll(".", "_");
}
