//! What the tests of the built module share.

use fake_envoy::{Exchange, Fault, Framing, Host, Plugin, Series, SeriesTable, Value, Vm};

/// A process with one worker and this configuration.
pub(crate) fn worker(configuration: &str) -> (Host, Vm) {
    let host = Host::new().unwrap();
    let vm = host.start(&Plugin::new(configuration)).unwrap();
    assert!(vm.is_configured(), "{:?}", host.log());
    (host, vm)
}

/// Every recorded exchange with its name, in pieces of what Envoy reads at once.
pub(crate) fn recorded() -> Vec<(String, Exchange)> {
    fake_envoy::recorded().unwrap()
}

/// Ticks every worker, then takes the scrape and checks that each series is one of the family table.
pub(crate) fn scrape(host: &Host, workers: &[&Vm]) -> SeriesTable {
    for vm in workers {
        vm.tick().unwrap();
    }
    let table = host.series().unwrap();
    for (series, value) in &table.0 {
        check_series(series, value);
    }
    table
}

fn check_series(series: &Series, value: &Value) {
    let family = mcp_observe::FAMILIES.iter().find(|family| family.name == series.family);
    let family = family.unwrap_or_else(|| panic!("{series} is in no family"));
    let kind = match value {
        Value::Counter(_) => mcp_observe::MetricKind::Counter,
        Value::Gauge(_) => mcp_observe::MetricKind::Gauge,
        Value::Histogram(_) => mcp_observe::MetricKind::Histogram,
    };
    assert_eq!(kind, family.kind, "{series}");
    let labels: Vec<&str> = series.labels.iter().map(|(name, _)| name.as_str()).collect();
    let with_optional = [family.labels, family.optional_labels].concat();
    assert!(labels == family.labels || labels == with_optional, "{series}");
}

/// The series that are not zero, without what every scrape has: `server_name="upstream"`, the filter's version
/// and the count of streams.
pub(crate) fn non_zero(table: &SeriesTable) -> Vec<String> {
    let lines = table.non_zero().into_iter();
    lines
        .filter(|line| !line.starts_with("mcp_filter_"))
        .map(|line| line.replace(",server_name=upstream", "").replace("{server_name=upstream}", "{}"))
        .map(|line| line.replace("{server_name=upstream,", "{"))
        .collect()
}

/// Plays exchanges one after the other on a new worker and returns what is not zero then.
pub(crate) fn observed(configuration: &str, exchanges: &[Exchange]) -> Result<Vec<String>, Fault> {
    let (host, vm) = worker(configuration);
    for exchange in exchanges {
        vm.play(exchange, Framing::Http1)?;
    }
    Ok(non_zero(&scrape(&host, &[&vm])))
}

/// Headers as a stream takes them.
pub(crate) fn borrow(headers: &[(String, Vec<u8>)]) -> Vec<(&str, &[u8])> {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect()
}
