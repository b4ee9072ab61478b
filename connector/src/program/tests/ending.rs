//! How programs are ended, and what is left of them.

use super::{LINE_BYTES, command, end, is_running, message, number, run, sh, start, until};
use crate::program::{Command, Errors, HowItEnded, Input, Output, Program};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

fn start_with_grace(command: &Command, grace: Duration) -> (Program, Input, Output) {
    Program::start_with(command, LINE_BYTES, &Errors::to(io::sink()).unwrap(), grace).unwrap()
}

#[test]
fn sigterm_reaches_the_whole_group() {
    run(async {
        let (mut program, _input, mut output) = start(&sh(r#"sleep 1000 & echo "{\"id\":1,\"result\":$!}"; wait"#));
        let child = number(&mut output).await;
        program.end().await;
        assert!(!is_running(program.id().cast_signed()) && !is_running(child));
        assert_eq!(end(&mut output).await, HowItEnded::Signal(15));
        // A second call returns at once.
        program.end().await;
    });
}

#[test]
fn program_may_exit_by_itself_after_sigterm() {
    run(async {
        let script = r#"trap 'sleep 0.05; echo "{\"id\":2,\"result\":{}}"; exit 7' TERM; echo '{"id":1,"result":{}}'; while :; do sleep 0.01; done"#;
        let (mut program, _input, mut output) = start(&sh(script));
        message(&mut output).await;
        program.end().await;
        assert_eq!(message(&mut output).await, r#"{"id":2,"result":{}}"#);
        assert_eq!(end(&mut output).await, HowItEnded::Status(7));
    });
}

#[test]
fn program_that_ignores_sigterm_gets_sigkill() {
    run(async {
        let script = r#"trap '' TERM; sleep 1000 & echo "{\"id\":1,\"result\":$!}"; while :; do sleep 1; done"#;
        let (mut program, _input, mut output) = start_with_grace(&sh(script), Duration::from_millis(50));
        let child = number(&mut output).await;
        program.end().await;
        assert_eq!(end(&mut output).await, HowItEnded::Signal(9));
        assert!(!is_running(program.id().cast_signed()) && !is_running(child));
    });
}

#[test]
fn program_that_is_stopped_gets_sigkill() {
    run(async {
        let (mut program, _input, mut output) =
            start_with_grace(&command(&["sleep", "1000"]), Duration::from_millis(50));
        let pid = program.id().cast_signed();
        super::signal(pid, Signal::SIGSTOP);
        until(|| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ")).await;
        program.end().await;
        assert_eq!(end(&mut output).await, HowItEnded::Signal(9));
    });
}

#[test]
fn group_of_a_program_that_exited_is_ended() {
    for (trap, grace) in [("", Duration::from_secs(5)), ("trap '' TERM;", Duration::from_millis(50))] {
        run(async {
            let script = format!(r#"{trap} sleep 1000 & echo "{{\"id\":1,\"result\":$!}}"; exit 3"#);
            let (mut program, _input, mut output) = start_with_grace(&sh(&script), grace);
            let child = number(&mut output).await;
            assert_eq!(end(&mut output).await, HowItEnded::Status(3));
            program.end().await;
            assert!(!is_running(child));
        });
    }
}

#[test]
fn program_ends_when_it_is_dropped() {
    run(async {
        let (program, _input, mut output) = start(&command(&["sleep", "1000"]));
        drop(program);
        assert_eq!(end(&mut output).await, HowItEnded::Signal(15));
    });
}

#[test]
fn program_ends_with_the_runtime() {
    let pid = run(async {
        let (program, _input, mut output) =
            start(&sh(r#"trap '' TERM; echo '{"id":1,"result":{}}'; while :; do sleep 1; done"#));
        message(&mut output).await;
        program.id().cast_signed()
    });
    run(until(|| !is_running(pid)));
}

/// Runs `test` in a process of its own, where no other test opens files or starts processes. `name` is the test that calls this.
fn in_own_process(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INNER).is_some() {
        return test();
    }
    let status = own_process(name).status().unwrap();
    assert!(status.success(), "{status}");
}

const INNER: &str = "MCP_CONNECTOR_INNER_TEST";

fn own_process(name: &str) -> std::process::Command {
    let mut process = std::process::Command::new(std::env::current_exe().unwrap());
    process.args(["--exact", "--nocapture", "--test-threads=1", &format!("program::tests::ending::{name}")]);
    process.env(INNER, "1");
    process
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn thousand_starts_leave_no_process_and_no_descriptor() {
    in_own_process("thousand_starts_leave_no_process_and_no_descriptor", || {
        run(async {
            let leaves_processes = [sh("sleep 1000 & exit 0"), sh("sleep 1000 & wait")];
            let others = [sh("exit 1"), command(&["cat"])];
            let errors = Errors::to(io::sink()).unwrap();
            // The first start also opens what the runtime keeps.
            start(&others[0]).0.end().await;
            let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
            until(|| tasks() == 0).await;
            let before = descriptors();
            for _ in 0..20 {
                let commands = leaves_processes.iter().chain(others.iter().cycle()).take(50);
                let programs: Vec<_> =
                    commands.map(|command| Program::start(command, LINE_BYTES, &errors).unwrap()).collect();
                for (mut program, _input, mut output) in programs {
                    program.end().await;
                    end(&mut output).await;
                }
            }
            until(|| tasks() == 0).await;
            assert_eq!(descriptors(), before);
            assert_eq!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Err(Errno::ECHILD));
        });
    });
}

/// Not a test by itself: the process that the next test kills.
#[test]
fn process_with_a_program() {
    if std::env::var_os(INNER).is_some() {
        run(async {
            let (program, _input, mut output) =
                start(&sh(r#"trap '' TERM; echo '{"id":1,"result":{}}'; while :; do sleep 1; done"#));
            message(&mut output).await;
            println!("\npid {}", program.id());
            end(&mut output).await;
        });
    }
}

#[test]
fn program_dies_with_the_process_that_started_it() {
    let mut process = own_process("process_with_a_program").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let pid = lines.map(Result::unwrap).find_map(|line| line.strip_prefix("pid ")?.parse().ok()).unwrap();
    assert!(is_running(pid));
    // SIGKILL: no code of the process runs after this.
    process.kill().unwrap();
    process.wait().unwrap();
    run(until(|| !is_running(pid)));
}

#[test]
fn exit_is_seen_without_delay() {
    run(async {
        let began = Instant::now();
        for _ in 0..20 {
            let (mut program, _input, mut output) = start(&sh("exit 0"));
            end(&mut output).await;
            program.end().await;
        }
        // Neither the time for a held pipe nor that for SIGKILL passed once in each round.
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    });
}
