//! `docs/metrics.md` has the table of families.

#![cfg(not(target_arch = "wasm32"))]

use std::path::Path;

#[test]
fn metrics_page_has_the_table_of_families() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let text = std::fs::read_to_string(page).unwrap();
    assert!(
        text.contains(&mcp_observe::markdown_table()),
        "docs/metrics.md is out of date: cargo run -p mcp-observe --example document"
    );
}
