//! Files and directories that belong to a running process. The process holds a lock of the file; the kernel releases it
//! when the process ends, however it ends.
//!
//! A process id in a name would not show this: it may be used again, and another container has ids of its own.

use nix::fcntl::OFlag;
use nix::unistd::geteuid;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

/// What was changed less than this long ago may not have its lock yet.
pub(crate) const SETTING_UP: Duration = Duration::from_secs(60);

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

/// Whether the process that made a file has ended. `false` if it cannot be opened, or is no regular file of this user.
pub(crate) fn is_abandoned_file(path: &Path) -> bool {
    open_own(path, OFlag::empty()).is_some_and(|(file, metadata)| metadata.is_file() && file.try_lock().is_ok())
}

/// The same for a directory.
pub(crate) fn is_abandoned_directory(path: &Path) -> bool {
    open_own(path, OFlag::O_DIRECTORY).is_some_and(|(file, _)| file.try_lock().is_ok())
}

/// Whether the file or directory itself, not what a symbolic link names, was changed at least this long ago.
pub(crate) fn is_older_than(path: &Path, age: Duration) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|metadata| metadata.modified()).ok();
    changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|elapsed| elapsed > age)
}

/// Opens what other users may have put there: no symbolic link is followed, and no FIFO is waited for.
fn open_own(path: &Path, more: OFlag) -> Option<(File, Metadata)> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | more;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).ok()?;
    let metadata = file.metadata().ok().filter(|metadata| metadata.uid() == geteuid().as_raw())?;
    Some((file, metadata))
}

#[cfg(test)]
mod tests {
    use super::{is_abandoned_directory, is_abandoned_file, lock};
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn directory_is_abandoned_when_its_lock_ends() {
        let directory = tempfile::tempdir().unwrap();
        let file = lock(directory.path()).unwrap();
        assert!(!is_abandoned_directory(directory.path()));
        assert!(lock(directory.path()).is_err());
        drop(file);
        assert!(is_abandoned_directory(directory.path()));
        assert!(!is_abandoned_directory(&directory.path().join("absent")));
    }

    #[test]
    fn only_what_a_launcher_makes_is_abandoned() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        fs::write(path("file"), "").unwrap();
        fs::create_dir(path("directory")).unwrap();
        symlink(path("file"), path("link to file")).unwrap();
        symlink(path("directory"), path("link to directory")).unwrap();
        mkfifo(&path("fifo"), Mode::S_IRWXU).unwrap();
        for (name, is_file, is_directory) in [
            ("file", true, false),
            ("directory", false, true),
            ("link to file", false, false),
            ("link to directory", false, false),
            ("fifo", false, false),
        ] {
            let found = (is_abandoned_file(&path(name)), is_abandoned_directory(&path(name)));
            assert_eq!(found, (is_file, is_directory), "{name}");
        }
    }
}
