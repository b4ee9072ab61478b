//! An MCP server on the Rust SDK, for the end-to-end tests.
//!
//! It listens on `127.0.0.1:$PORT`, serves all protocol versions of the SDK, and prints one line when it is ready. The tools of
//! `/mcp` cover the outcomes of a tool call; no response depends on the time. `/conformance` is for the MCP conformance suite.
//!
//! With the argument `mcp` or `conformance` it serves one of them on standard input and output instead.

mod asking;
mod conformance;
mod server;

use std::{env, error::Error, sync::Arc};

use axum::serve::ListenerExt;
use rmcp::{
    ServerHandler, ServiceExt,
    transport::{
        stdio_pipes,
        streamable_http_server::{
            StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
        },
    },
};

use conformance::ConformanceServer;
use server::TestServer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    match env::args().nth(1).as_deref() {
        Some("mcp") => on_pipes(TestServer).await,
        Some("conformance") => on_pipes(ConformanceServer::new(Arc::default())?).await,
        Some(other) => Err(format!("unknown argument {other}: mcp or conformance").into()),
        None => over_http().await,
    }
}

/// Serves one client on standard input and output, until the input ends.
async fn on_pipes(server: impl ServerHandler) -> Result<(), Box<dyn Error>> {
    server.serve(stdio_pipes()).await?.waiting().await?;
    Ok(())
}

async fn over_http() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::var("PORT").map_err(|_| "PORT is missing: a TCP port to listen on")?.parse()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    // Headers and events are written one by one. Without this option each response waits 40 ms for a delayed ACK.
    let listener = listener.tap_io(|stream| {
        // The call fails if the connection is closed already.
        let _ = stream.set_nodelay(true);
    });
    let sessions = Arc::new(LocalSessionManager::default());
    let config = StreamableHttpServerConfig::default();
    let service = StreamableHttpService::new(|| Ok(TestServer), sessions, config);
    let routes = axum::Router::new().nest_service("/mcp", service).nest_service("/conformance", conformance()?);
    axum::serve(listener, routes).await?;
    Ok(())
}

fn conformance() -> Result<StreamableHttpService<ConformanceServer, LocalSessionManager>, Box<dyn Error>> {
    let sessions = Arc::new(LocalSessionManager::default());
    let server = ConformanceServer::new(Arc::clone(&sessions))?;
    let config = StreamableHttpServerConfig::default();
    Ok(StreamableHttpService::new(move || Ok(server.clone()), sessions, config))
}
