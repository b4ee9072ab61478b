//! Prints the tables of the core as JSON: `cargo run -q -p mcp-observe --example tables`.

fn main() {
    println!("{:#}", mcp_observe::tables());
}
