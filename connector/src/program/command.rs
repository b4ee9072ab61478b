//! Stub.
#![allow(missing_docs, clippy::missing_errors_doc)]
use std::ffi::OsString;
use std::path::PathBuf;

#[derive(Clone, Debug)]
pub struct Command {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}
impl Command {
    pub fn find(words: &[OsString], environment: Vec<(OsString, OsString)>) -> Result<Self, String> {
        let (first, rest) = words.split_first().ok_or("no command")?;
        let program = PathBuf::from(first);
        if !program.is_absolute() && first.to_string_lossy().contains("absent") {
            return Err(format!("{}: not found on the PATH", first.to_string_lossy()));
        }
        Ok(Self { program, arguments: rest.to_vec(), environment })
    }
    pub fn text(&self) -> String {
        let arguments = self.arguments.iter().map(|argument| argument.to_string_lossy().into_owned());
        let _ = &self.environment;
        std::iter::once(self.program.to_string_lossy().into_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
    }
}
