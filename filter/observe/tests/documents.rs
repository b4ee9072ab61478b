//! The documents show the families as they are.

#![cfg(not(target_arch = "wasm32"))]

use std::path::Path;

#[test]
fn ok_documents_hold_the_table_of_families() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for name in ["README.md", "docs/metrics.md"] {
        let text = std::fs::read_to_string(root.join(name)).unwrap();
        assert!(
            text.contains(&mcp_observe::markdown_table()),
            "{name} is out of date: cargo run -p mcp-observe --example document"
        );
    }
}
