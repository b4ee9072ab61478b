//! Modules that are ready to run: the filter of this repository, its traced copy, and those of tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use wasmtime::{Config, Engine, Module, OptLevel};

use crate::instrument::{Instrumented, instrument};
use crate::symbols::Symbols;
use crate::trace::Function;
use crate::{Fault, imports};

/// A compiled module.
#[derive(Clone)]
pub(crate) struct Built {
    pub(crate) module: Module,
    /// Bytes of the module.
    pub(crate) size: usize,
    /// What a traced copy reports; empty for other modules.
    pub(crate) functions: Arc<[Function]>,
}

/// The bytes of the filter of this repository, where they were, and what they compile to.
pub(crate) struct Filter {
    path: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) built: Built,
}

// === impl Built ===

impl Built {
    /// A module as it is.
    ///
    /// # Errors
    ///
    /// If it cannot be loaded or imports something it may not.
    pub(crate) fn plain(bytes: &[u8]) -> Result<Self, Fault> {
        let module = compile(bytes, OptLevel::Speed)?;
        imports::check(&module)?;
        Ok(Self { module, size: bytes.len(), functions: Arc::new([]) })
    }

    /// A copy of the module that can be traced.
    ///
    /// # Errors
    ///
    /// As above, or if the names are not those of this module.
    pub(crate) fn traced(bytes: &[u8], symbols: &Symbols) -> Result<Self, Fault> {
        let Instrumented { bytes: copy, functions } = instrument(bytes, symbols)?;
        // It runs a few exchanges, so the time to compile it matters more than its speed.
        let module = compile(&copy, OptLevel::None)?;
        Ok(Self { module, size: bytes.len(), functions: functions.into() })
    }
}

/// The filter, built and compiled once however often it is asked for: `$MCP_FILTER_WASM` if set, else what
/// `scripts/build-filter.sh` builds.
pub(crate) fn filter() -> Result<&'static Filter, Fault> {
    static FILTER: OnceLock<Result<Filter, Fault>> = OnceLock::new();
    let filter = FILTER.get_or_init(|| {
        let path = built_module()?;
        let bytes = std::fs::read(&path).map_err(|error| Fault::Load(format!("{}: {error}", path.display())))?;
        let built = Built::plain(&bytes)?;
        Ok(Filter { path, bytes, built })
    });
    filter.as_ref().map_err(Clone::clone)
}

/// The traced copy of the filter, also made once. The names of its functions are beside the filter.
pub(crate) fn traced_filter() -> Result<&'static Built, Fault> {
    static TRACED: OnceLock<Result<Built, Fault>> = OnceLock::new();
    let traced = TRACED.get_or_init(|| {
        let filter = filter()?;
        Built::traced(&filter.bytes, &Symbols::beside(&filter.path)?)
    });
    traced.as_ref().map_err(Clone::clone)
}

fn compile(bytes: &[u8], level: OptLevel) -> Result<Module, Fault> {
    let load = |error: wasmtime::Error| Fault::Load(format!("{error:#}"));
    let mut config = Config::new();
    config.consume_fuel(true).cranelift_opt_level(level);
    let engine = Engine::new(&config).map_err(load)?;
    Module::new(&engine, bytes).map_err(load)
}

fn built_module() -> Result<PathBuf, Fault> {
    if let Some(path) = std::env::var_os("MCP_FILTER_WASM") {
        return Ok(PathBuf::from(path));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/build-filter.sh");
    let run = Command::new(&script).output().map_err(|error| Fault::Load(format!("{}: {error}", script.display())))?;
    if !run.status.success() {
        return Err(Fault::Load(String::from_utf8_lossy(&run.stderr).into_owned()));
    }
    let printed = String::from_utf8_lossy(&run.stdout);
    let path = printed.lines().last().unwrap_or_default().trim();
    Ok(PathBuf::from(path))
}
