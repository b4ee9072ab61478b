//! `TMPDIR`: the directory for temporary files. Envoy's bootstrap and the bridge's socket are in it.

use crate::problem::Problem;
use nix::errno::Errno;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::path::{Path, PathBuf};

pub(crate) const VARIABLE: &str = "TMPDIR";

/// The directory that a value names. As elsewhere, an empty value counts as missing.
pub(crate) fn directory(value: Option<OsString>) -> PathBuf {
    value.filter(|value| !value.is_empty()).map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

/// A problem if no file can be made in the directory.
pub(crate) fn refused(directory: &Path) -> Option<Problem> {
    let random = std::hash::RandomState::new().build_hasher().finish();
    let path = directory.join(format!("mcp-sidecar-{random:016x}"));
    let error =
        OpenOptions::new().write(true).create_new(true).open(&path).and_then(|_| fs::remove_file(&path)).err()?;
    let message = format!(
        "no file can be made in {:?} ({}); allowed: an existing directory that you can write to, such as /tmp",
        directory.to_string_lossy(),
        reason(&error)
    );
    Some(Problem::new(VARIABLE, message))
}

/// What the system says, without the number of its error.
pub(crate) fn reason(error: &io::Error) -> String {
    error.raw_os_error().map_or_else(|| error.to_string(), |number| Errno::from_raw(number).desc().to_owned())
}

#[cfg(test)]
mod tests {
    use super::{directory, refused};
    use std::fs;
    use std::path::Path;

    #[test]
    fn directory_without_files_to_make_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        assert_eq!(refused(temporary.path()), None);
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0, "nothing is left");
        let file = temporary.path().join("file");
        fs::write(&file, "").unwrap();
        let absent = "no file can be made in \"/absent\" (No such file or directory); \
                      allowed: an existing directory that you can write to, such as /tmp";
        assert_eq!(refused(Path::new("/absent")).unwrap().to_string(), format!("TMPDIR: {absent}"));
        assert!(refused(&file).unwrap().to_string().contains("(Not a directory)"));
        for directory in ["/proc", "absent/relative"] {
            assert!(refused(Path::new(directory)).is_some(), "{directory}");
        }
    }

    #[test]
    fn empty_value_is_missing() {
        for (value, path) in [(None, "/tmp"), (Some(""), "/tmp"), (Some("/var/tmp"), "/var/tmp")] {
            assert_eq!(directory(value.map(Into::into)), Path::new(path));
        }
    }
}
