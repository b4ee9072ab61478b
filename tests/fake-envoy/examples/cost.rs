//! Prints what the recorded exchanges cost; `scripts/cost.sh` runs it.
//!
//! `cost BEFORE` prints the table with what changed against the table in the file `BEFORE`. With `UPDATE_COST=1` it
//! also writes `cost.tsv`. `cost --functions EXCHANGE` prints the functions that run, `cost --features` the table with each
//! optional feature.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use fake_envoy::{CostTable, Host, Measured, measure_all, measure_features};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let text = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--features"] => measure_features()?.aligned(&CostTable::default()),
        ["--functions", exchange] => functions(exchange)?,
        [before] => table(Path::new(before))?,
        _ => return Err("usage: cost BEFORE | cost --functions EXCHANGE | cost --features".into()),
    };
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}

fn table(before: &Path) -> Result<String, Box<dyn Error>> {
    let mut now = CostTable::default();
    for Measured { name, cost, footprint, .. } in measure_all()? {
        now.insert(&name, &cost, &footprint);
    }
    let before = CostTable::parse(&std::fs::read_to_string(before)?).unwrap_or_else(|_| {
        eprintln!("no changes are shown, because the table of the last commit has other columns");
        CostTable::default()
    });
    if std::env::var_os("UPDATE_COST").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("cost.tsv"), now.render())?;
    }
    Ok(now.aligned(&before))
}

/// One line per function: calls, bytes of code, name; the largest first.
fn functions(exchange: &str) -> Result<String, Box<dyn Error>> {
    let all = measure_all()?;
    let Some(measured) = all.iter().find(|measured| measured.name == exchange) else {
        let names: Vec<&str> = all.iter().map(|measured| measured.name.as_str()).collect();
        return Err(format!("no exchange {exchange:?}; there are: {}", names.join(", ")).into());
    };
    let host = Host::traced()?;
    let calls = measured.trace.calls.iter();
    let mut rows: Vec<_> =
        calls.filter_map(|(index, calls)| Some((host.functions().get(*index as usize)?, calls))).collect();
    rows.sort_by(|one, other| (other.0.code, &one.0.name).cmp(&(one.0.code, &other.0.name)));
    let mut text = format!("{:>8}{:>8}  function\n", "calls", "code");
    for (function, calls) in rows {
        writeln!(text, "{calls:>8}{:>8}  {}", function.code, function.name)?;
    }
    writeln!(text, "{:>8}{:>8}  all", measured.trace.calls.values().sum::<u64>(), measured.footprint.code)?;
    Ok(text)
}
