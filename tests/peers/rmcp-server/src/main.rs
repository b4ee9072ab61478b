//! An MCP server on the Rust SDK, used by the end-to-end tests as a real peer.
//!
//! It listens on `127.0.0.1:$PORT`, serves every revision the SDK speaks and prints one line when it is ready.
//! The tools of `/mcp` cover the outcomes a tool call can have; nothing answered there depends on time.
//! `/conformance` offers what the MCP conformance suite asks for.

mod asking;
mod conformance;
mod server;

use std::{env, error::Error, sync::Arc};

use axum::serve::ListenerExt;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};

use conformance::ConformanceServer;
use server::TestServer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::var("PORT").map_err(|_| "PORT is missing: a TCP port to listen on")?.parse()?;
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    println!("listening on http://{}/mcp", listener.local_addr()?);
    // Head and events are written one by one; without this each answer waits 40 ms for the other side's delayed ACK.
    let listener = listener.tap_io(|stream| {
        // A connection that is gone already cannot be set.
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
