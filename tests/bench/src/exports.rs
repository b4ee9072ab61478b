//! Removes exports from a module, to measure what Envoy saves if it does not call them.

use anyhow::{Result, ensure};
use wasm_encoder::{ExportKind, ExportSection, Module, RawSection};
use wasmparser::{ExternalKind, Parser, Payload};

/// Returns the module without the exported functions of these names. Every name must exist.
pub(crate) fn without(module: &[u8], names: &[String]) -> Result<Vec<u8>> {
    let mut kept = Module::new();
    let mut dropped = 0;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        if let Payload::ExportSection(reader) = payload {
            let mut exports = ExportSection::new();
            for export in reader {
                let export = export?;
                if names.iter().any(|name| name == export.name) {
                    dropped += 1;
                    continue;
                }
                let kind = match export.kind {
                    ExternalKind::Memory => ExportKind::Memory,
                    ExternalKind::Global => ExportKind::Global,
                    ExternalKind::Table => ExportKind::Table,
                    _ => ExportKind::Func,
                };
                exports.export(export.name, kind, export.index);
            }
            kept.section(&exports);
        } else if let Some((id, range)) = payload.as_section() {
            let data = module.get(range).unwrap_or_default();
            kept.section(&RawSection { id, data });
        }
    }
    ensure!(dropped == names.len(), "{dropped} of the exports {} are there", names.join(", "));
    Ok(kept.finish())
}
