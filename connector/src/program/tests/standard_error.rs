//! What a program writes to its standard error.

use super::{LINE_BYTES, Written, command, end, message, run, sh};
use crate::program::{Command, Errors, HowItEnded, Program};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

/// What is written when a program writes to standard error and exits, without its prefix.
fn lines(command: &Command) -> Vec<String> {
    run(async {
        let written = Written::default();
        let errors = written.errors();
        let (mut program, _input, mut output) = Program::start(command, LINE_BYTES, &errors).unwrap();
        assert_eq!(end(&mut output).await, HowItEnded::Status(0));
        program.end().await;
        // The task that copies ends with the pipe.
        super::until(|| tokio::runtime::Handle::current().metrics().num_alive_tasks() == 0).await;
        errors.flush(super::LONG);
        let prefix = format!("[{} {}] ", command.name(), program.id());
        written.text().lines().map(|line| line.strip_prefix(&prefix).unwrap().to_owned()).collect()
    })
}

#[test]
fn lines_have_a_prefix() {
    assert_eq!(lines(&sh("printf 'one\ntwo\r\n\nthree' >&2")), ["one", "two", "", "three"]);
}

#[test]
fn control_characters_are_harmless() {
    let script = r"printf 'a\033[2J\007\tb\rc\033[1;32mgreen\033[0m\033[38:5:1mred\033]0;title\007 \377 \302\233 \303\251\n' >&2";
    assert_eq!(lines(&sh(script)), ["a\\x1b[2J\\x07\tb\\x0dcgreenred\\x1b]0;title\\x07 \u{fffd} \\x9b é"]);
}

#[test]
fn long_line_is_split_between_characters() {
    let lines = lines(&command(&[
        "python3",
        "-c",
        r"import sys; sys.stderr.write('x' + 'é' * 8192 + '\n' + 'y' * 8192 + '\n')",
    ]));
    assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [8191, 8192, 2, 8192]);
    assert_eq!(lines.concat(), format!("x{}{}", "é".repeat(8192), "y".repeat(8192)));
}

/// A standard error that is not read until the test says so.
struct Stuck {
    go_on: Receiver<()>,
    written: Written,
}

impl Write for Stuck {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An error means from now on.
        let _ = self.go_on.recv();
        self.written.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn program_does_not_wait_when_standard_error_is_not_read() {
    for (bytes, has_dropped) in [(64 * 1024, false), (1024 * 1024, false), (20 * 1024 * 1024, true)] {
        let (go_on, receiver) = channel();
        let written = Written::default();
        let errors = Errors::to(Stuck { go_on: receiver, written: written.clone() }).unwrap();
        let script = format!(
            r#"import sys; sys.stderr.write(('e' * 99 + '\n') * {}); sys.stderr.flush(); print('{{"id":1,"result":{{}}}}')"#,
            bytes / 100
        );
        run(async {
            let (_program, _input, mut output) =
                Program::start(&command(&["python3", "-c", &script]), LINE_BYTES, &errors).unwrap();
            message(&mut output).await;
            assert_eq!(end(&mut output).await, HowItEnded::Status(0));
            super::until(|| tokio::runtime::Handle::current().metrics().num_alive_tasks() == 0).await;
        });
        drop(go_on);
        errors.flush(super::LONG);
        let text = written.text();
        let copied = text.lines().filter(|line| line.ends_with("eee")).count();
        let dropped: usize = text
            .lines()
            .filter_map(|line| {
                line.strip_prefix("mcp-sidecar: ")?
                    .strip_suffix(" lines were dropped, because standard error was not read")
            })
            .map(|count| count.parse::<usize>().unwrap())
            .sum();
        assert_eq!(copied + dropped, bytes / 100);
        assert_eq!(dropped > 0, has_dropped, "{dropped}");
    }
}

#[test]
fn message_of_the_sidecar_has_its_name() {
    let written = Written::default();
    let errors = written.errors();
    errors.say("hello");
    errors.flush(super::LONG);
    assert_eq!(written.text(), "mcp-sidecar: hello\n");
}

/// A standard error that counts how often it was written to.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>, Written);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn lines_that_come_together_are_written_together() {
    let counted = Counted::default();
    let errors = Errors::to(counted.clone()).unwrap();
    run(async {
        // They fit into a pipe, so that the program exits before the first is read.
        let script = "import os; os.write(2, b'e\\n' * 30_000)";
        let (program, _input, mut output) =
            Program::start(&command(&["python3", "-c", script]), LINE_BYTES, &errors).unwrap();
        let pid = program.id().cast_signed();
        while super::is_running(pid) {
            // Not to be awaited: nothing is to be read meanwhile.
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        assert_eq!(end(&mut output).await, HowItEnded::Status(0));
        super::until(|| tokio::runtime::Handle::current().metrics().num_alive_tasks() == 0).await;
    });
    errors.flush(super::LONG);
    assert_eq!(counted.1.text().lines().count(), 30_000);
    let writes = counted.0.load(Ordering::Relaxed);
    // One for each read, of 8 KiB.
    assert_eq!(writes, 60_000_usize.div_ceil(8 * 1024), "{writes}");
}
