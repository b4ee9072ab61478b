//! Files and directories that belong to a running process. The process holds a lock of the file; the kernel releases it
//! when the process ends, however it ends.
//!
//! A process id in a name would not show this: it may be used again, and another container has ids of its own.

use std::fs::File;
use std::io;
use std::path::Path;

/// Opens and locks a file or directory. The lock lasts as long as the returned file.
///
/// # Errors
///
/// It cannot be opened, or another process has the lock.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    file.try_lock()?;
    Ok(file)
}

/// Whether the process that made the file or directory has ended. `false` if it cannot be opened.
pub(crate) fn is_abandoned(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::{is_abandoned, lock};

    #[test]
    fn file_is_abandoned_when_its_lock_ends() {
        let directory = tempfile::tempdir().unwrap();
        let file = lock(directory.path()).unwrap();
        assert!(!is_abandoned(directory.path()));
        assert!(lock(directory.path()).is_err());
        drop(file);
        assert!(is_abandoned(directory.path()));
        assert!(!is_abandoned(&directory.path().join("absent")));
    }
}
