//! `MCP_SIDECAR_FILE_SD`: the file by which a collector finds a sidecar.

use crate::support::{Sidecar, Upstream, get, say, until};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn files(directory: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

#[test]
fn file_is_there_while_the_sidecar_serves() {
    let directory = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|_, stream| say(stream, ""));
    let variables = [
        ("MCP_SIDECAR_FILE_SD", directory.path().to_str().unwrap()),
        ("OTEL_SERVICE_NAME", "weather"),
        ("OTEL_ENV", "test"),
        ("SERVICE_VERSION", "1.10"),
    ];
    let mut sidecar = Sidecar::start(&upstream.url(), &variables);
    until("the file is there", || files(directory.path()).len() == 1);
    let file = files(directory.path()).remove(0);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("mcp-sidecar-") && name.ends_with(".json"), "{name}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644, "another user can read it");
    let list: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let target = format!("127.0.0.1:{}", sidecar.probe_port);
    let labels = json!({"job": "weather", "service_version": "1.10", "deployment_environment": "test"});
    assert_eq!(list, json!([{"targets": [target], "labels": labels}]));
    assert_eq!(get(sidecar.probe_port, "/metrics").status, 200);

    let other = Sidecar::start(&upstream.url(), &variables);
    until("both are there", || files(directory.path()).len() == 2);
    sidecar.signal("TERM");
    assert_eq!(sidecar.ended().code(), Some(0));
    assert_eq!(files(directory.path()).len(), 1, "the other's file stays");
    // It is killed, and leaves its file.
    drop(other);
    assert_eq!(files(directory.path()).len(), 1);
    let third = Sidecar::start(&upstream.url(), &variables);
    // The other file may be removed before it is read.
    let is_own =
        |path: &PathBuf| fs::read_to_string(path).is_ok_and(|text| text.contains(&format!(":{}", third.probe_port)));
    until("only its own file is there", || matches!(files(directory.path()).as_slice(), [file] if is_own(file)));
}

#[test]
fn directory_that_cannot_be_written_is_refused() {
    for value in ["/absent", "[{files: [/etc/targets/*.yaml]}]"] {
        let (mut sidecar, _lines) = Sidecar::spawn("http://127.0.0.1:9", &[("MCP_SIDECAR_FILE_SD", value)]);
        assert_eq!(sidecar.ended().code(), Some(2));
        let expected = format!("mcp-sidecar: MCP_SIDECAR_FILE_SD: no file can be written to {value:?} (");
        until("the problem is reported", || sidecar.errors().contains(&expected));
        assert!(sidecar.errors().contains("[{files: [DIRECTORY/*.json]}]"), "{}", sidecar.errors());
    }
}
