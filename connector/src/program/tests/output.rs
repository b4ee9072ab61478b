//! What comes from a program.

use super::{
    LINE_BYTES, Written, command, end, is_running, left_behind, message, number, run, sh, signal, start, until,
};
use crate::program::{HowItEnded, Line, Program};
use nix::sys::signal::Signal;
use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, Instant};

#[test]
fn status_is_told_after_the_last_message_and_again() {
    run(async {
        let (_program, _input, mut output) = start(&sh(r#"echo '{"id":1,"result":{}}'; exit 3"#));
        assert_eq!(message(&mut output).await, r#"{"id":1,"result":{}}"#);
        assert_eq!(end(&mut output).await, HowItEnded::Status(3));
        assert_eq!(end(&mut output).await, HowItEnded::Status(3));
    });
}

#[test]
fn all_that_was_written_before_the_exit_is_read() {
    run(async {
        let script =
            r#"import sys; sys.stdout.write('{"id":1,"result":{}}\n' * 3000); sys.stdout.flush(); sys.exit(1)"#;
        let (mut program, _input, mut output) = start(&command(&["python3", "-c", script]));
        let pid = program.id().cast_signed();
        until(|| !is_running(pid)).await;
        for _ in 0..3000 {
            message(&mut output).await;
        }
        assert_eq!(end(&mut output).await, HowItEnded::Status(1));
        program.end().await;
    });
}

#[test]
fn crlf_and_blank_lines_and_batches_are_read() {
    run(async {
        let script = r#"printf '\r\n\n{"id":1,"result":{}}\r\n  \n[{"id":2,"result":{}},{"method":"m"}]\n[]\n{"id":3,"result":{}}'"#;
        let written = Written::default();
        let errors = written.errors();
        let (_program, _input, mut output) = Program::start(&sh(script), LINE_BYTES, &errors).unwrap();
        for text in
            [r#"{"id":1,"result":{}}"#, r#"{"id":2,"result":{}}"#, r#"{"method":"m"}"#, r#"{"id":3,"result":{}}"#]
        {
            assert_eq!(message(&mut output).await, text);
        }
        assert_eq!(end(&mut output).await, HowItEnded::Status(0));
        errors.flush(super::LONG);
        assert_eq!(written.text(), "");
    });
}

#[test]
fn lines_that_are_no_messages_are_told_once_without_their_text() {
    run(async {
        let script = r#"echo 'token: secret'; echo 17; echo '{"id":1,"result":{}}'; printf '{"id":2,"resu'"#;
        let written = Written::default();
        let errors = written.errors();
        let (program, _input, mut output) = Program::start(&sh(script), LINE_BYTES, &errors).unwrap();
        assert_eq!(message(&mut output).await, r#"{"id":1,"result":{}}"#);
        assert_eq!(end(&mut output).await, HowItEnded::Status(0));
        errors.flush(super::LONG);
        let text = written.text();
        let beginning = format!("mcp-sidecar: sh {}: a line of 13 bytes on its standard output is not a", program.id());
        assert!(text.starts_with(&beginning), "{text}");
        assert_eq!(text.lines().count(), 1);
        assert!(!text.contains("secret"));
    });
}

#[test]
fn half_line_at_the_end_is_told_and_skipped() {
    run(async {
        let written = Written::default();
        let errors = written.errors();
        let (_program, _input, mut output) =
            Program::start(&sh(r#"printf '{"id":2,"resu'"#), LINE_BYTES, &errors).unwrap();
        assert_eq!(end(&mut output).await, HowItEnded::Status(0));
        errors.flush(super::LONG);
        assert!(written.text().contains("a line of 13 bytes"), "{}", written.text());
    });
}

#[test]
fn half_line_waits_for_its_end() {
    run(async {
        let script = r#"printf '{"id":1,'; read line; printf '"result":{}}\n'; sleep 1000"#;
        let (_program, input, mut output) = start(&sh(script));
        // The future is dropped within the line.
        assert!(tokio::time::timeout(Duration::from_millis(50), output.next()).await.is_err());
        input.send(&"go on".into()).await.unwrap();
        assert_eq!(message(&mut output).await, r#"{"id":1,"result":{}}"#);
    });
}

#[test]
fn line_over_the_limit_ends_the_program() {
    run(async {
        let (mut program, _input, mut output) =
            start(&sh(r#"echo '{"id":1,"result":{}}'; head -c 1000002 /dev/zero; sleep 1000"#));
        message(&mut output).await;
        assert_eq!(end(&mut output).await, HowItEnded::LineTooLong(LINE_BYTES));
        // It was asked to end by that, and `end` waits.
        program.end().await;
        assert!(!is_running(program.id().cast_signed()));
    });
}

#[test]
fn line_of_ten_megabytes_is_one_message() {
    run(async {
        let script = r#"print('{"id":1,"result":"' + 'x' * 10_000_000 + '"}', flush=True)"#;
        let errors = Written::default().errors();
        let command = command(&["python3", "-c", script]);
        let (_program, _input, mut output) = Program::start(&command, 64 * 1024 * 1024, &errors).unwrap();
        assert_eq!(message(&mut output).await.len(), 10_000_020);
        assert_eq!(end(&mut output).await, HowItEnded::Status(0));
    });
}

#[test]
fn program_that_closes_its_standard_output_has_ended() {
    run(async {
        let (mut program, _input, mut output) = start(&sh("exec >&-; exec sleep 1000"));
        assert_eq!(end(&mut output).await, HowItEnded::ClosedOutput);
        program.end().await;
        assert!(!is_running(program.id().cast_signed()));
    });
}

#[test]
fn program_that_is_killed_is_told_with_the_signal() {
    run(async {
        let (program, _input, mut output) = start(&command(&["sleep", "1000"]));
        signal(program.id().cast_signed(), Signal::SIGKILL);
        assert_eq!(end(&mut output).await.to_string(), "was ended by signal 9 (SIGKILL)");
    });
}

#[test]
fn process_that_left_the_group_and_holds_the_pipe_does_not_hold_the_end() {
    run(async {
        let script = format!("{} & read line; exit 3", left_behind("sleep 1000"));
        let (_program, input, mut output) = start(&sh(&script));
        let left_behind = number(&mut output).await;
        input.send(&"exit".into()).await.unwrap();
        let began = Instant::now();
        assert_eq!(end(&mut output).await, HowItEnded::Status(3));
        assert!(began.elapsed() < Duration::from_secs(10));
        signal(left_behind, Signal::SIGKILL);
    });
}

#[test]
fn process_that_left_the_group_and_writes_does_not_hold_the_end() {
    run(async {
        let script = format!("{} & read line; exit 3", left_behind("yes"));
        let (_program, input, mut output) = start(&sh(&script));
        let left_behind = number(&mut output).await;
        input.send(&"exit".into()).await.unwrap();
        assert_eq!(end(&mut output).await, HowItEnded::Status(3));
        // Its pipe is closed with the output, and it ends by SIGPIPE.
        drop(output);
        until(|| !is_running(left_behind)).await;
    });
}

#[test]
fn program_waits_while_its_output_is_not_read() {
    run(async {
        let script = r#"
import os, sys, threading
written = 0
def tell():
    sys.stdin.readline()
    sys.stderr.write("%d\n" % written)
    sys.stderr.flush()
    os._exit(0)
threading.Thread(target=tell).start()
line = b'{"id":1,"result":{}}\n' * 1000
while True:
    written += os.write(1, line)
"#;
        let written = Written::default();
        let errors = written.errors();
        let (_program, input, mut output) =
            Program::start(&command(&["python3", "-c", script]), LINE_BYTES, &errors).unwrap();
        // It has written, and nothing is read after this.
        message(&mut output).await;
        input.send(&"".into()).await.unwrap();
        until(|| !written.text().is_empty()).await;
        let bytes: usize = written.text().trim().rsplit(' ').next().unwrap().parse().unwrap();
        assert!(bytes <= 64 * 1024 * 3, "{bytes} bytes");
        while let Line::Message(_) = output.next().await {}
    });
}

/// How often others have their turn until the next message of a program that has exited.
async fn turns(script: &str) -> usize {
    let (program, _input, mut output) = start(&command(&["python3", "-c", script]));
    let pid = program.id().cast_signed();
    until(|| !is_running(pid)).await;
    let mut next = pin!(output.next());
    let mut polls = 0;
    let line = poll_fn(|context| {
        polls += 1;
        next.as_mut().poll(context)
    });
    assert!(matches!(line.await, Line::Message(_)));
    polls
}

#[test]
fn others_have_their_turn_while_many_lines_are_skipped() {
    run(async {
        // They fit into a pipe, so that the program does not wait for a reader.
        let script = r#"import os; os.write(1, b'x\n' * 30_000 + b'{"id":1,"result":{}}\n')"#;
        let turns = turns(script).await;
        assert!(turns >= 30_000 / 32, "{turns}");
    });
}

#[test]
fn others_have_their_turn_while_a_long_line_is_read() {
    const MIB: usize = 1024 * 1024;
    run(async {
        let script = format!(
            r#"import fcntl, os; fcntl.fcntl(1, 1031, {MIB}); os.write(1, b'{{"id":1,"result":"' + b'x' * 900_000 + b'"}}\n')"#
        );
        let turns = turns(&script).await;
        // One read takes 64 KiB.
        assert!(turns >= 900_000 / (64 * 1024), "{turns}");
    });
}
