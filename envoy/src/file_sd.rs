//! `MCP_SIDECAR_FILE_SD`: a file in a directory that a collector watches, as long as this sidecar serves.
//!
//! The file has the format of Prometheus' file-based service discovery: its target is the probe listener, and its labels are
//! those that the shipped `collector.yaml` reads. The file is written elsewhere and renamed, so that no reader sees a part of
//! it. A launcher that is killed leaves its file, and the next one in the same directory removes it.
//!
//! **What this does not do:** the address is the one at which this machine reaches the listener. A collector in another
//! container or on another machine needs another way (`docs/fleet.md`).

use crate::abandoned::is_abandoned_file;
use crate::environment::Settings;
use crate::problem::Problem;
use serde_json::json;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

const VARIABLE: &str = "MCP_SIDECAR_FILE_SD";
/// Begin and end of the file's name; the process id is between them.
const NAME: (&str, &str) = ("mcp-sidecar-", ".json");
/// The collector may run as another user. The file holds an address and the service's name.
const MODE: u32 = 0o644;

/// A problem if the directory cannot be written. Removes the files of launchers that were killed.
pub(crate) fn refused_file_sd(directory: &Path) -> Option<Problem> {
    match new_file(directory) {
        Ok(_) => {
            remove_abandoned(directory);
            None
        }
        Err(error) => Some(Problem::new(
            VARIABLE,
            format!(
                "no file can be written to {:?} ({error}); allowed: a directory, in which the collector's {VARIABLE} names \
                 the files: [{{files: [DIRECTORY/*.json]}}]",
                directory.to_string_lossy()
            ),
        )),
    }
}

/// A file in the directory that is removed when it is dropped.
fn new_file(directory: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(&format!(".{}", NAME.0)).suffix(".tmp").tempfile_in(directory)
}

fn remove_abandoned(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if is_target_file(&entry.file_name().to_string_lossy()) && is_abandoned_file(&entry.path()) {
            // A failure is ignored: another launcher removed it.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether a file has a name that [`TargetFile::write`] gives. Others are not touched.
fn is_target_file(name: &str) -> bool {
    let id = name.strip_prefix(NAME.0).and_then(|name| name.strip_suffix(NAME.1));
    id.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The file of this sidecar. It is removed when it is dropped.
pub(crate) struct TargetFile {
    path: PathBuf,
    /// Held locked while this process lives.
    _lock: File,
}

// === impl TargetFile ===

impl TargetFile {
    /// Writes the file, if a directory is set.
    ///
    /// # Errors
    ///
    /// The directory cannot be written any more, or has the file of a running launcher with the same process id.
    pub(crate) fn write(settings: &Settings) -> io::Result<Option<Self>> {
        let Some(directory) = &settings.file_sd else { return Ok(None) };
        let path = directory.join(format!("{}{}{}", NAME.0, std::process::id(), NAME.1));
        let mut file = new_file(directory)?;
        file.as_file().try_lock()?;
        file.as_file().set_permissions(Permissions::from_mode(MODE))?;
        writeln!(file, "{}", targets(settings))?;
        let lock = file.persist_noclobber(&path).map_err(|error| error.error)?;
        Ok(Some(Self { path, _lock: lock }))
    }
}

impl Drop for TargetFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn targets(settings: &Settings) -> serde_json::Value {
    let service = &settings.service;
    json!([{
        "targets": [settings.own_probe().to_string()],
        "labels": {
            "job": service.name,
            "service_version": service.version,
            "deployment_environment": service.environment,
        },
    }])
}

#[cfg(test)]
mod tests {
    use super::{is_target_file, remove_abandoned};
    use std::fs;

    #[test]
    fn only_files_that_are_named_by_a_process_id_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let others = ["mcp-sidecar-.json", "mcp-sidecar-team.json", "mcp-sidecar-1a.json", "mcp-sidecar-1", "1.json"];
        for name in others.iter().chain(&["mcp-sidecar-17.json"]) {
            assert_eq!(is_target_file(name), !others.contains(name), "{name}");
            fs::write(directory.path().join(name), "").unwrap();
        }
        remove_abandoned(directory.path());
        let is_left = |name: &str| directory.path().join(name).exists();
        assert!(others.iter().all(|name| is_left(name)) && !is_left("mcp-sidecar-17.json"));
    }
}
