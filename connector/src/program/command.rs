//! The command that starts a program: looked up on the PATH as a shell does, without a shell.

use nix::unistd::{AccessFlags, access};
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const NO_FILE: &str = "no such file";

/// A program that was found, its arguments and its whole environment.
#[derive(Clone)]
pub struct Command {
    program: PathBuf,
    words: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

// === impl Command ===

impl Command {
    /// Looks up the program that the first word names. A word with a slash is a path; any other word is looked up on the PATH
    /// of `environment`. `environment` is all that the program gets.
    ///
    /// # Errors
    ///
    /// There is no such program, or it is not executable. The text says so, and what to do.
    pub fn find(words: &[OsString], environment: Vec<(OsString, OsString)>) -> Result<Self, String> {
        let word = words.first().ok_or("no command: write it after `--`, for example `-- npx -y some-server`")?;
        if word.is_empty() {
            return Err("the command is an empty word: write the program's name after `--`".to_owned());
        }
        let program = if word.as_bytes().contains(&b'/') {
            let path = PathBuf::from(word);
            check(&path).map_err(|problem| format!("{}: {}", quoted(word), of_path(&path, problem)))?;
            path
        } else {
            let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.as_os_str());
            on_path(word, path).map_err(|problem| format!("{}: {problem}", quoted(word)))?
        };
        Ok(Self { program, words: words.to_vec(), environment })
    }

    /// The command as one would type it in a shell.
    #[must_use]
    pub fn text(&self) -> String {
        let words: Vec<_> = self.words.iter().map(|word| quoted(word)).collect();
        words.join(" ")
    }

    /// The file name of the program, for messages.
    #[must_use]
    pub fn name(&self) -> Cow<'_, str> {
        self.program.file_name().unwrap_or(self.program.as_os_str()).to_string_lossy()
    }

    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// The first word as it was given. Some programs read it.
    pub(super) fn word(&self) -> &OsStr {
        self.words.first().map_or(self.program.as_os_str(), OsString::as_os_str)
    }

    pub(super) fn arguments(&self) -> impl Iterator<Item = &OsString> {
        self.words.iter().skip(1)
    }

    pub(super) fn environment(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.environment.iter().map(|(name, value)| (name, value))
    }

    /// A failed start, with the reason where the kernel's word for it misleads.
    pub(super) fn explain(&self, error: io::Error) -> io::Error {
        let reason = match error.raw_os_error().map(nix::errno::Errno::from_raw) {
            Some(nix::errno::Errno::ENOENT) if self.program.exists() => {
                "the interpreter that its first line names after `#!`, or its dynamic loader, is not on this machine"
            }
            Some(nix::errno::Errno::ENOENT) => "the file is gone",
            _ => return error,
        };
        io::Error::new(error.kind(), reason)
    }
}

/// Without the environment, which holds secrets.
impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Command").field(&self.text()).finish()
    }
}

/// Looks a word up in the directories of the PATH. An empty directory is the working directory.
fn on_path(word: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, String> {
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        return Err("not found, because PATH is not set: set it, or give the program's path".to_owned());
    };
    let mut unusable = None;
    for directory in std::env::split_paths(path) {
        let directory = if directory.as_os_str().is_empty() { PathBuf::from(".") } else { directory };
        let candidate = directory.join(word);
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(problem) if candidate.is_file() => {
                unusable.get_or_insert_with(|| format!("{}: {problem}", quoted(candidate.as_os_str())));
            }
            Err(_) => {}
        }
    }
    Err(unusable.unwrap_or_else(|| {
        let path = path.to_string_lossy();
        let advice = advice(word).unwrap_or("install it where mcp-sidecar runs, or set PATH in the client's env");
        format!("not found on the PATH ({path}): {advice}")
    }))
}

/// The problem of a path, and what explains a file that is missing.
fn of_path(path: &Path, problem: &str) -> String {
    if problem != NO_FILE {
        return problem.to_owned();
    }
    let place = match std::env::current_dir() {
        Ok(directory) if path.is_relative() => format!(" in the working directory {}", quoted(directory.as_os_str())),
        _ => String::new(),
    };
    match advice(path.as_os_str()) {
        Some(advice) => format!("{problem}{place}: {advice}"),
        None => format!("{problem}{place}"),
    }
}

/// What a user of a shell may not expect, for a word that names no file.
fn advice(word: &OsStr) -> Option<&'static str> {
    let word = word.as_bytes();
    if word.starts_with(b"~") {
        return Some("\"~\" is not replaced: write the path from /");
    }
    word.iter()
        .any(u8::is_ascii_whitespace)
        .then_some("this is one word: give the program and each argument separately")
}

/// Whether a path is a file that can be executed.
fn check(path: &Path) -> Result<(), &'static str> {
    match path.metadata() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err("in a directory that cannot be read"),
        Err(_) => Err(NO_FILE),
        Ok(metadata) if metadata.is_dir() => Err("a directory: give the program in it"),
        Ok(metadata) if !metadata.is_file() => Err("not a file"),
        Ok(_) => access(path, AccessFlags::X_OK)
            .map_err(|_| "not executable: set its executable bit (chmod +x), or put its interpreter before it"),
    }
}

/// A word as one would type it in a shell: in single quotes unless every character is plain.
fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let is_plain = |character: char| character.is_alphanumeric() || "%+,-./:=@_^".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{Command, quoted};
    use std::ffi::{OsStr, OsString};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use tempfile::TempDir;

    fn words(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn with_path(path: &str) -> Vec<(OsString, OsString)> {
        vec![("PATH".into(), path.into())]
    }

    fn file(directory: &Path, name: &str, mode: u32) {
        fs::write(directory.join(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(directory.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn first_executable_file_on_the_path_is_taken() {
        let [first, second, third] = [(); 3].map(|()| TempDir::new().unwrap());
        fs::create_dir(first.path().join("tool")).unwrap();
        file(second.path(), "tool", 0o644);
        file(third.path(), "tool", 0o755);
        let path = format!("{}:/none:{}:{}", first.path().display(), second.path().display(), third.path().display());
        let command = Command::find(&words(&["tool", "-v"]), with_path(&path)).unwrap();
        assert_eq!(command.program(), third.path().join("tool"));
        assert_eq!((command.name().as_ref(), command.text().as_str()), ("tool", "tool -v"));
        assert_eq!(format!("{command:?}"), "Command(\"tool -v\")");
    }

    #[test]
    fn word_with_a_slash_is_not_looked_up() {
        assert_eq!(Command::find(&words(&["/bin/sh"]), vec![]).unwrap().program(), "/bin/sh");
        let problem = Command::find(&words(&["bin/sh"]), with_path("/")).unwrap_err();
        let directory = std::env::current_dir().unwrap();
        assert_eq!(problem, format!("bin/sh: no such file in the working directory {}", directory.display()));
    }

    #[test]
    fn problem_says_what_is_wrong() {
        let directory = TempDir::new().unwrap();
        file(directory.path(), "data", 0o644);
        let path = directory.path().to_str().unwrap();
        let cases = [
            (words(&[]), "no command: write it after `--`"),
            (words(&[""]), "the command is an empty word"),
            (words(&["npxx"]), "npxx: not found on the PATH"),
            (words(&["npxx"]), "install it where mcp-sidecar runs, or set PATH in the client's env"),
            (words(&["two words"]), "'two words': not found on the PATH"),
            (words(&["two words"]), "this is one word: give the program and each argument separately"),
            (words(&["/two words"]), "'/two words': no such file: this is one word: give the program"),
            (words(&["~/server"]), "\"~\" is not replaced: write the path from /"),
            (words(&["data"]), "/data: not executable: set its executable bit"),
            (words(&[&format!("{path}/data")]), "/data: not executable"),
            (words(&[path]), ": a directory"),
            (words(&["/dev/null"]), "/dev/null: not a file"),
            (words(&["/dev/null/x"]), "/dev/null/x: no such file"),
        ];
        for (words, problem) in cases {
            let found = Command::find(&words, with_path(path)).unwrap_err();
            assert!(found.contains(problem), "{words:?}: {found}");
        }
        let found = Command::find(&words(&["sh"]), vec![]).unwrap_err();
        assert!(found.contains("PATH is not set"), "{found}");
    }

    #[test]
    fn words_are_quoted_as_in_a_shell() {
        let cases =
            [("a-b/c.d", "a-b/c.d"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$HOME", "'$HOME'")];
        for (word, text) in cases {
            assert_eq!(quoted(OsStr::new(word)), text);
        }
    }
}
