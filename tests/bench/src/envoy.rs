//! Starts an Envoy with one worker, pinned to a CPU, and reads its processor time, memory and stats.
//!
//! All Envoys of a run have the same bootstrap except the HTTP filter.

use crate::load::fetch;
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// The longest start: Envoy compiles the wasm module with V8's optimizing compiler before it serves.
const START: Duration = Duration::from_secs(60);

/// The HTTP filter that runs before the router.
#[derive(Clone)]
pub(crate) enum Filter {
    None,
    /// A module with its configuration.
    Wasm(PathBuf, Option<Value>),
    /// Envoy's own MCP filter.
    Native,
}

/// A running Envoy; it ends when this is dropped.
pub(crate) struct Envoy {
    pub(crate) address: SocketAddr,
    filter: Filter,
    admin: SocketAddr,
    process: Child,
    directory: TempDir,
}

// === impl Filter ===

impl Filter {
    fn config(&self) -> Result<Option<Value>> {
        let config = match self {
            Self::None => return Ok(None),
            Self::Wasm(path, configuration) => {
                let path = path.canonicalize().with_context(|| format!("module {}", path.display()))?;
                let text = configuration.as_ref().map_or(String::new(), Value::to_string);
                json!({
                    "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                    "config": {
                        "name": "bench",
                        "root_id": "bench",
                        // Fail closed: after a trap requests fail. Otherwise the filter would only seem fast.
                        "failure_policy": "FAIL_CLOSED",
                        "configuration": {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": text},
                        // A filter that holds requests reads their bodies meanwhile; others are not affected.
                        "allow_on_headers_stop_iteration": true,
                        "vm_config": {
                            "runtime": "envoy.wasm.runtime.v8",
                            "code": {"local": {"filename": path}},
                        },
                    },
                })
            }
            Self::Native => json!({
                "@type": "type.googleapis.com/envoy.extensions.filters.http.mcp.v3.Mcp",
                "traffic_mode": "PASS_THROUGH",
                // The default of 8 KiB would refuse the large request.
                "max_request_body_size": 4 << 20,
            }),
        };
        Ok(Some(json!({"name": "compared", "typed_config": config})))
    }
}

// === impl Envoy ===

impl Envoy {
    pub(crate) async fn start(program: &Path, cpu: usize, filter: Filter, upstream: SocketAddr) -> Result<Self> {
        let directory = TempDir::with_prefix("mcp-bench-")?;
        let file = |name: &str| directory.path().join(name);
        fs::write(file("bootstrap.json"), bootstrap(&filter, upstream)?.to_string())?;
        let process = Command::new("taskset")
            .args(["-c", &cpu.to_string()])
            .arg(program)
            .args(["--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warn"])
            .arg("-c")
            .arg(file("bootstrap.json"))
            .arg("--admin-address-path")
            .arg(file("admin"))
            // Not `--log-path`, because Envoy does not flush that file at once.
            .stderr(File::create(file("log"))?)
            .kill_on_drop(true)
            .spawn()
            .context("starting Envoy under taskset (util-linux)")?;
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut envoy = Self { address: unknown, filter, admin: unknown, process, directory };
        envoy.wait().await?;
        Ok(envoy)
    }

    async fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if let Some(status) = self.process.try_wait()? {
                bail!("Envoy ended with {status}: {}", self.log()?);
            }
            if let Some(address) = self.listening().await {
                self.address = address;
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("Envoy did not serve within {START:?}: {}", self.log()?)
    }

    /// The listener's address once Envoy is live; both ports are chosen by the kernel.
    async fn listening(&mut self) -> Option<SocketAddr> {
        let admin = fs::read_to_string(self.directory.path().join("admin")).ok()?;
        self.admin = admin.trim().parse().ok()?;
        let (200, _) = self.admin("/ready").await.ok()? else { return None };
        let (_, listeners) = self.admin("/listeners").await.ok()?;
        listeners.trim().strip_prefix("bench::")?.parse().ok()
    }

    async fn admin(&self, path: &str) -> Result<(u16, String)> {
        let request = Request::get(path).header("host", "admin").body(Full::default())?;
        fetch(self.admin, request).await
    }

    pub(crate) fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.directory.path().join("log"))?)
    }

    /// Processor time of all threads since the start, user and system.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let mut spent = Duration::ZERO;
        for task in fs::read_dir(self.proc()?.join("task"))? {
            // The file `stat` has the same time in ticks of 10 ms, `schedstat` in nanoseconds.
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let nanoseconds = text.split(' ').next().context("an empty schedstat")?;
            spent += Duration::from_nanos(nanoseconds.parse()?);
        }
        Ok(spent)
    }

    pub(crate) fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(self.proc()?.join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let value = line.and_then(|line| line.split_whitespace().next());
        Ok(value.context("no VmRSS")?.parse()?)
    }

    fn proc(&self) -> Result<PathBuf> {
        let id = self.process.id().context("Envoy has ended")?;
        Ok(Path::new("/proc").join(id.to_string()))
    }

    async fn stat(&self, name: &str) -> Result<u64> {
        let (_, stats) = self.admin("/stats").await?;
        let found = stats.lines().filter_map(|line| line.split_once(": ")).find(|(stat, _)| stat.ends_with(name));
        let (_, value) = found.with_context(|| format!("no stat {name}"))?;
        Ok(value.parse()?)
    }

    /// Checks that the compared filter is present and reads the traffic.
    pub(crate) async fn check_filter(&self) -> Result<()> {
        match &self.filter {
            Filter::None => {}
            Filter::Wasm(path, _) => {
                let active = self.stat("wasm.envoy.wasm.runtime.v8.active").await?;
                ensure!(active > 0, "{} is not running", path.display());
            }
            Filter::Native => {
                let broken = Request::post("/mcp/none")
                    .header("host", "bench")
                    .header("content-type", "application/json")
                    .header("accept", "application/json, text/event-stream")
                    .body(Full::new(Bytes::from_static(b"{\"jsonrpc\": nothing")))?;
                fetch(self.address, broken).await?;
                let seen = self.stat(".mcp.invalid_json").await?;
                ensure!(seen > 0, "Envoy's MCP filter did not parse");
            }
        }
        Ok(())
    }

    /// Checks after the load that every request passed this Envoy and, if the filter counts streams, the filter.
    pub(crate) async fn check_requests(&self, sent: u64) -> Result<()> {
        let answered = self.stat("cluster.upstream.upstream_rq_2xx").await?;
        ensure!(answered == sent, "{sent} requests were sent and {answered} answered by the upstream");
        // The filter flushes its counters at its ticks.
        let deadline = Instant::now() + Duration::from_secs(5);
        while let Ok(seen) = self.stat(";.;mcp_filter_streams_total").await {
            if seen == sent {
                break;
            }
            ensure!(Instant::now() < deadline, "{sent} requests were sent and the filter counted {seen}");
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn bootstrap(filter: &Filter, upstream: SocketAddr) -> Result<Value> {
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    });
    let route = json!({"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "0s"}});
    let filters: Vec<Value> = filter.config()?.into_iter().chain([router]).collect();
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "generate_request_id": false,
        "server_header_transformation": "PASS_THROUGH",
        "stream_idle_timeout": "0s",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": filters,
    });
    let any_port = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
    let endpoint = json!({"socket_address": {"address": "127.0.0.1", "port_value": upstream.port()}});
    Ok(json!({
        "admin": {"address": any_port},
        "static_resources": {
            "listeners": [{
                "name": "bench",
                "address": any_port,
                "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
            }],
            "clusters": [{
                "name": "upstream",
                "connect_timeout": "1s",
                "load_assignment": {
                    "cluster_name": "upstream",
                    "endpoints": [{"lb_endpoints": [{"endpoint": {"address": endpoint}}]}],
                },
            }],
        },
    }))
}
