//! Real programs: `sh` and `python3` of the system.

use super::{Command, Errors, Gone, HowItEnded, Input, Line, Output, Program};
use bytes::Bytes;
use std::ffi::OsString;
use std::io;
use std::time::Duration;
use tokio::time::timeout;

/// No test waits longer for anything.
const LONG: Duration = Duration::from_secs(30);

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(LONG, test).await.unwrap() })
}

fn command(words: &[&str]) -> Command {
    let words: Vec<OsString> = words.iter().map(OsString::from).collect();
    Command::find(&words, vec![("PATH".into(), std::env::var_os("PATH").unwrap())]).unwrap()
}

fn sh(script: &str) -> Command {
    command(&["sh", "-c", script])
}

fn start(command: &Command) -> (Program, Input, Output) {
    Program::start(command, 1_000_000, &Errors::to(io::sink()).unwrap()).unwrap()
}

async fn message(output: &mut Output) -> String {
    match output.next().await {
        Line::Message(message) => String::from_utf8(message.text().to_vec()).unwrap(),
        Line::End(how) => panic!("the program {how}"),
    }
}

async fn end(output: &mut Output) -> HowItEnded {
    match output.next().await {
        Line::Message(message) => panic!("{message:?}"),
        Line::End(how) => how,
    }
}

#[test]
fn lines_go_in_and_come_out() {
    run(async {
        let (mut program, input, mut output) = start(&command(&["cat"]));
        for number in 0..100 {
            let text = Bytes::from(format!(r#"{{"id":{number},"result":{{}}}}"#));
            input.send(&text).await.unwrap();
            assert_eq!(message(&mut output).await, text);
        }
        program.end().await;
        assert_eq!(end(&mut output).await, HowItEnded::Signal(15));
        assert_eq!(input.send(&Bytes::from_static(b"{}")).await, Err(Gone));
    });
}

#[test]
fn status_is_told_after_the_last_message() {
    run(async {
        let (_program, _input, mut output) = start(&sh(r#"echo '{"id":1,"result":{}}'; exit 3"#));
        assert_eq!(message(&mut output).await, r#"{"id":1,"result":{}}"#);
        assert_eq!(end(&mut output).await, HowItEnded::Status(3));
        assert_eq!(end(&mut output).await, HowItEnded::Status(3));
    });
}
