//! Writes the table of families into `docs/metrics.md`: `cargo run -p mcp-observe --example document`.

use std::error::Error;
use std::path::Path;

const BEGIN: &str = "<!-- families -->";
const END: &str = "<!-- end of families -->";

fn main() -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let text = std::fs::read_to_string(&path)?;
    let (before, rest) = text.split_once(BEGIN).ok_or("the mark before the table is missing")?;
    let (_, after) = rest.split_once(END).ok_or("the mark behind the table is missing")?;
    std::fs::write(&path, format!("{before}{BEGIN}\n{}{END}{after}", mcp_observe::markdown_table()))?;
    println!("wrote the table of families into docs/metrics.md");
    Ok(())
}
