//! Reads the sidecar's metrics page before and after the load, and compares the difference with what was sent.

use crate::connection::{Address, Connection};
use crate::series::{Compared, Counts};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Uri};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longest wait for the counts. Counters appear after 0.5 s, histograms after 1.5 s (5.5 s by Envoy's default).
const PATIENCE: Duration = Duration::from_secs(8);
/// Longer than the periods for which the filter and the sidecar's Envoy gather counts and samples.
const STEP: Duration = Duration::from_millis(1600);

/// The metrics page of one sidecar.
#[derive(Debug)]
pub(crate) struct Page {
    address: Arc<Address>,
    /// The name of the rate limit rule whose counts are compared.
    rule: Option<String>,
}

// === impl Page ===

impl Page {
    pub(crate) fn new(address: Address, rule: Option<String>) -> Self {
        Self { address: Arc::new(address), rule }
    }

    /// Waits until the counts do not change, so that earlier traffic is not counted as part of the load.
    pub(crate) async fn settled(&self) -> Result<Counts> {
        let begun = Instant::now();
        let mut counts = self.counts().await?;
        loop {
            tokio::time::sleep(STEP).await;
            let later = self.counts().await?;
            if later == counts {
                return Ok(counts);
            }
            if begun.elapsed() > PATIENCE {
                bail!(
                    "{}: counts keep rising; somebody else uses this sidecar (--no-compare compares nothing)",
                    self.address
                );
            }
            counts = later;
        }
    }

    /// Waits until the sidecar has counted what was sent, or until the time is over.
    pub(crate) async fn compare(&self, sent: &Counts, before: &Counts) -> Result<Vec<Compared>> {
        let begun = Instant::now();
        loop {
            let compared = sent.compare(before, &self.counts().await?);
            if !compared.iter().any(Compared::differs) || begun.elapsed() > PATIENCE {
                return Ok(compared);
            }
            tokio::time::sleep(STEP).await;
        }
    }

    async fn counts(&self) -> Result<Counts> {
        let fetch = tokio::time::timeout(PATIENCE, self.fetch());
        let page = fetch.await.context("no answer in time").flatten();
        let page =
            page.with_context(|| format!("METRICS {} cannot be read (--no-compare goes without)", self.address))?;
        Ok(Counts::read(&page, self.rule.as_deref()))
    }

    async fn fetch(&self) -> Result<String> {
        let mut request = Request::new(Full::new(Bytes::new()));
        *request.uri_mut() = Uri::from(self.address.path.clone());
        let response = Connection::new(self.address.clone()).send(request).await;
        let response = response.map_err(|failure| anyhow::anyhow!("{failure}"))?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("HTTP {status}");
        }
        let page = String::from_utf8_lossy(&body).into_owned();
        if !page.contains("mcp_filter_info") {
            bail!("it is not a sidecar's metrics page");
        }
        Ok(page)
    }
}
