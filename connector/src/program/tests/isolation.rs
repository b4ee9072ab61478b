//! What a program gets from this process, and what not.

use super::{LINE_BYTES, command, message, run, start};
use crate::program::{Command, Errors, Program};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

/// Writes what it has been given, and then waits.
const GIVEN: &str = r#"
import json, os, sys
def target(number):
    try:
        return os.readlink("/proc/self/fd/" + number)
    except OSError:
        return None
descriptors = {number: target(number) for number in os.listdir("/proc/self/fd")}
result = {"descriptors": descriptors, "environment": dict(os.environ), "directory": os.getcwd(), "group": os.getpgid(0),
          "arguments": sys.argv[1:], "words": open("/proc/self/cmdline").read().split("\0")}
print(json.dumps({"id": 1, "result": result}), flush=True)
sys.stdin.read()
"#;

async fn given(output: &mut super::Output) -> serde_json::Value {
    let text = message(output).await;
    serde_json::from_str::<serde_json::Value>(&text).unwrap()["result"].take()
}

#[test]
fn program_has_no_pipe_of_another() {
    run(async {
        let (_first, _input, mut output) = start(&command(&["python3", "-c", GIVEN]));
        let first = given(&mut output).await;
        let (_second, _input, mut output) = start(&command(&["python3", "-c", GIVEN]));
        let second = given(&mut output).await;
        let pipes: Vec<_> = ["0", "1", "2"].map(|number| first["descriptors"][number].as_str().unwrap()).into();
        assert!(pipes.iter().all(|pipe| pipe.starts_with("pipe:")), "{pipes:?}");
        for target in second["descriptors"].as_object().unwrap().values().filter_map(|target| target.as_str()) {
            assert!(!pipes.contains(&target), "{target}");
        }
    });
}

#[test]
fn program_has_the_given_environment_and_this_directory() {
    run(async {
        let path = std::env::var_os("PATH").unwrap();
        let words = ["python3", "-c", GIVEN, "a b", "$HOME", ""].map(OsString::from);
        let environment = vec![("PATH".into(), path.clone()), ("NAME".into(), "a value".into())];
        let command = Command::find(&words, environment).unwrap();
        let (program, _input, mut output) = start(&command);
        let given = given(&mut output).await;
        // It is set for this process.
        assert!(std::env::var_os("HOME").is_some() && given["environment"].get("HOME").is_none());
        assert_eq!(given["environment"]["NAME"], "a value");
        assert_eq!(given["arguments"], serde_json::json!(["a b", "$HOME", ""]));
        assert_eq!(given["directory"], std::env::current_dir().unwrap().to_str().unwrap());
        assert_eq!(given["group"], program.id());
    });
}

#[test]
fn program_sees_the_word_it_was_started_with() {
    run(async {
        let (_program, _input, mut output) = start(&command(&["sh", "-c", r#"echo "{\"id\":1,\"result\":\"$0\"}""#]));
        assert_eq!(message(&mut output).await, r#"{"id":1,"result":"sh"}"#);
    });
}

#[test]
fn start_that_fails_has_its_reason() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("program");
    fs::write(&path, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let command = Command::find(&[path.clone().into()], vec![]).unwrap();
    let errors = Errors::to(io::sink()).unwrap();
    run(async {
        let error = Program::start(&command, LINE_BYTES, &errors).err().unwrap();
        assert!(error.to_string().starts_with("the interpreter that its first line names"), "{error}");
        fs::remove_file(&path).unwrap();
        let error = Program::start(&command, LINE_BYTES, &errors).err().unwrap();
        assert_eq!(error.to_string(), "the file is gone");
    });
}
