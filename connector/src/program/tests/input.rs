//! What goes to a program.

use super::{command, end, left_behind, message, run, sh, signal, start};
use crate::program::HowItEnded;
use crate::program::input::Gone;
use bytes::Bytes;
use nix::sys::signal::Signal;
use std::time::Duration;
use tokio::time::timeout;

/// Writes the length of each line that it reads.
const LENGTHS: &str = r#"
import sys
for line in sys.stdin.buffer:
    print('{"id":1,"result":%d}' % (len(line) - 1), flush=True)
"#;

fn text(length: usize) -> Bytes {
    vec![b'x'; length].into()
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
        // `cat` may see the end of its input before the signal.
        let how = end(&mut output).await;
        assert!(matches!(how, HowItEnded::Signal(15) | HowItEnded::Status(0)), "{how}");
        assert_eq!(input.send(&Bytes::from_static(b"{}")).await, Err(Gone));
    });
}

#[test]
fn lines_have_the_order_of_the_calls() {
    run(async {
        let (_program, input, mut output) = start(&command(&["python3", "-c", LENGTHS]));
        let lengths = [300_000, 1, 200_000, 2];
        let texts = lengths.map(text);
        let [one, two, three, four] = texts.each_ref().map(|text| input.send(text));
        let read = async {
            for length in lengths {
                assert_eq!(message(&mut output).await, format!(r#"{{"id":1,"result":{length}}}"#));
            }
        };
        let results = tokio::join!(biased; one, two, three, four, read);
        assert_eq!((results.0, results.1, results.2, results.3), (Ok(()), Ok(()), Ok(()), Ok(())));
    });
}

#[test]
fn caller_waits_while_the_program_does_not_read_and_is_told_when_it_ends() {
    run(async {
        let (mut program, input, _output) = start(&command(&["sleep", "1000"]));
        let text = text(200_000);
        let sends = async { tokio::join!(input.send(&text), input.send(&text), input.send(&text), input.send(&text)) };
        tokio::pin!(sends);
        assert!(timeout(Duration::from_millis(50), &mut sends).await.is_err());
        program.end().await;
        assert_eq!(sends.await, (Err(Gone), Err(Gone), Err(Gone), Err(Gone)));
    });
}

#[test]
fn call_that_is_dropped_leaves_no_half_line() {
    run(async {
        let (program, input, mut output) = start(&command(&["python3", "-c", LENGTHS]));
        let pid = program.id().cast_signed();
        signal(pid, Signal::SIGSTOP);
        // The pipe holds a part of it.
        assert!(timeout(Duration::from_millis(50), input.send(&text(500_000))).await.is_err());
        signal(pid, Signal::SIGCONT);
        input.send(&text(7)).await.unwrap();
        assert_eq!(message(&mut output).await, r#"{"id":1,"result":500000}"#);
        assert_eq!(message(&mut output).await, r#"{"id":1,"result":7}"#);
    });
}

#[test]
fn program_that_closed_its_standard_input_reads_no_more() {
    run(async {
        let (_program, input, mut output) = start(&sh(r#"exec <&-; echo '{"id":1,"result":{}}'; sleep 1000"#));
        message(&mut output).await;
        assert_eq!(input.send(&text(1)).await, Err(Gone));
        assert_eq!(input.send(&text(1)).await, Err(Gone));
    });
}

#[test]
fn standard_input_is_closed_when_it_is_dropped() {
    run(async {
        let (_program, input, mut output) = start(&sh("cat; exit 4"));
        drop(input);
        assert_eq!(end(&mut output).await, HowItEnded::Status(4));
    });
}

#[test]
fn process_that_holds_the_pipe_does_not_hold_the_caller() {
    run(async {
        let script = format!("exec 3<&0; {} <&3 & cat >/dev/null", left_behind("sleep 1000"));
        let (mut program, input, mut output) = start(&sh(&script));
        let left_behind = super::number(&mut output).await;
        let sender = input.clone();
        let sending = tokio::spawn(async move {
            // More than the pipe holds, once `cat` does not read any more.
            while sender.send(&text(100_000)).await.is_ok() {}
        });
        program.end().await;
        sending.await.unwrap();
        end(&mut output).await;
        signal(left_behind, Signal::SIGKILL);
    });
}
