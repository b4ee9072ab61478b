//! Everything that can happen to one operation on an event stream, in every order, on one worker and on two.
//!
//! The operation's own stream is on the first worker. The rest of its session passes the first worker or another one: a GET
//! stream that brings an answer too, a cancellation, and the end of the session. The workers tick never, after each step, or
//! once after the operation began. What is counted does not depend on the workers or their ticks:
//!
//! | operation when a step comes | own answer | answer on the GET stream | cancellation | session ends | own stream ends |
//! |---|---|---|---|---|---|
//! | its stream is open | `ok` | as the answer says | is noted | is noted | see below |
//! | it waits for another stream | - | as the answer says | is noted | as without an answer | - |
//! | it has ended | duplicate | duplicate | nothing | nothing | nothing |
//! | its session ended before its stream | - | unknown id | nothing | nothing | - |
//!
//! An answer that passes another worker before the operation's own worker ticked is kept for its own stream's end. If the own
//! stream brings an answer before that, this one ends the operation, and the other is the duplicate.
//!
//! When its stream ends, a stream with event ids leaves the operation waiting, unless the session ended before. Otherwise it
//! ends: cancelled, if that was noted or if the client left; else with `reset` or `no_response`.

use super::{answer, call, delete, event, in_session, open, stream};
use crate::host::Failure;
use crate::test;
use crate::testing::{Log, Proxy, Script};
use crate::text::Text;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    OwnAnswer,
    OtherAnswer,
    Cancel,
    SessionEnds,
    OwnStreamEnds,
}

use Step::{Cancel, OtherAnswer, OwnAnswer, OwnStreamEnds, SessionEnds};

/// How the operation's own stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Reset,
    ClientLeft,
}

/// The answer on the GET stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Result,
    ToolError,
    RpcError,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ticks {
    None,
    AfterEachStep,
    AfterStart,
}

#[derive(Clone, Copy, Debug)]
struct Case<'a> {
    steps: &'a [Step],
    has_event_ids: bool,
    end: End,
    kind: Kind,
    ticks: Ticks,
    /// All passes one worker.
    is_one_worker: bool,
}

impl Kind {
    fn answer(self) -> String {
        match self {
            Self::Result => answer(1),
            Self::ToolError => r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#.to_owned(),
            Self::RpcError => r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602}}"#.to_owned(),
        }
    }

    /// What is counted if the answer ends the operation.
    fn ended(self) -> Vec<&'static str> {
        match self {
            Self::Result => vec!["end tools/call ok"],
            Self::ToolError => vec!["end tools/call error/tool_error"],
            Self::RpcError => vec!["error Some(-32602) of tools/call", "end tools/call error/invalid_request"],
        }
    }

    /// What is counted if the answer ends nothing. An error on a stream that has no request refuses the stream.
    fn unmatched(self, reason: &'static str) -> &'static str {
        if self == Self::RpcError { "error Some(-32602) of none" } else { reason }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Waiting,
    Ended,
    /// Nothing remembers it.
    Forgotten,
}

/// What is to be counted.
fn expected(case: &Case<'_>) -> Vec<String> {
    let (mut state, mut is_cancelled, mut has_session_ended) = (State::Open, false, false);
    // The other worker does not know the operation until its own ticks.
    let is_unknown = !case.is_one_worker && case.ticks == Ticks::None;
    let mut early = Vec::new();
    let mut lines = Vec::new();
    let unanswered = |is_cancelled: bool| match case.end {
        _ if is_cancelled => "end tools/call cancelled",
        End::ClientLeft => "end tools/call cancelled",
        End::Reset if !case.has_event_ids => "end tools/call error/reset",
        End::Complete | End::Reset => "end tools/call error/no_response",
    };
    for step in case.steps {
        match (step, state) {
            (OwnAnswer, State::Open) => {
                lines.push("end tools/call ok");
                lines.extend(early.drain(..).map(|kind: Kind| kind.unmatched("unmatched duplicate")));
                state = State::Ended;
            }
            (OtherAnswer, State::Open) if is_unknown => early.push(case.kind),
            (OwnStreamEnds, State::Open) if !early.is_empty() => {
                lines.extend(early.remove(0).ended());
                lines.extend(early.drain(..).map(|kind| kind.unmatched("unmatched duplicate")));
                state = State::Ended;
            }
            (OtherAnswer, State::Open | State::Waiting) => {
                lines.extend(case.kind.ended());
                state = State::Ended;
            }
            (OwnAnswer, _) => lines.push("unmatched duplicate"),
            (OtherAnswer, State::Ended) => lines.push(case.kind.unmatched("unmatched duplicate")),
            (OtherAnswer, State::Forgotten) => lines.push(case.kind.unmatched("unmatched unknown_id")),
            (Cancel, _) => is_cancelled = true,
            (SessionEnds, State::Waiting) => {
                lines.push(unanswered(is_cancelled));
                state = State::Ended;
            }
            (SessionEnds, _) => has_session_ended = true,
            (OwnStreamEnds, State::Open) if case.has_event_ids && !has_session_ended => state = State::Waiting,
            (OwnStreamEnds, State::Open) => {
                lines.push(unanswered(is_cancelled));
                state = if case.has_event_ids { State::Forgotten } else { State::Ended };
            }
            (OwnStreamEnds, _) => {}
        }
    }
    if state == State::Waiting {
        lines.push(unanswered(is_cancelled));
    }
    lines.sort_unstable();
    lines.into_iter().map(str::to_owned).collect()
}

/// What is counted.
fn counted(case: &Case<'_>) -> Vec<String> {
    let one = Proxy::default();
    let second = one.other_worker();
    let other = if case.is_one_worker { &one } else { &second };
    let mut lines = Vec::new();
    let get = stream();
    let mut get = open(other, &get);
    let first = if case.has_event_ids { event("1", "") } else { ":\n".to_owned() };
    let own = match case.end {
        End::Complete => in_session(&call(1)).sse(&first).open(),
        End::Reset => in_session(&call(1)).sse(&first).broken(Failure::UpstreamReset),
        End::ClientLeft => in_session(&call(1)).sse(&first).broken(Failure::ClientReset),
    };
    let mut post = Some(open(&one, &own));
    let id = |number: usize| if case.has_event_ids { number.to_string() } else { String::new() };
    let tick = || [one.tick_once(), second.tick_once()].concat();
    if case.ticks != Ticks::None {
        lines.extend(tick());
    }
    for (number, step) in (2..).zip(case.steps) {
        lines.extend(match step {
            OwnAnswer => post.as_mut().unwrap().event(&event(&id(number), &answer(1))),
            OtherAnswer => get.event(&event(&id(number), &case.kind.answer())),
            Cancel => cancel().play_in(other),
            SessionEnds => delete(200).play_in(other),
            OwnStreamEnds => {
                let mut log = Log::default();
                let mut post = post.take().unwrap();
                if case.end == End::Complete {
                    post.chunk(b"", true, &mut log);
                }
                post.end(&mut log);
                log.lines
            }
        });
        if case.ticks == Ticks::AfterEachStep {
            lines.extend(tick());
        }
    }
    lines.extend(get.finish());
    // Every worker ticks twice a second.
    lines.extend(tick());
    one.wait(6);
    let session = one.correlation.session(b"", &Text::of(b"5c99c753"));
    for worker in [&second, &one] {
        worker.correlation.check_next(session);
        lines.extend(worker.tick_once());
    }
    let ends = lines.iter().filter(|line| line.starts_with("end ")).count();
    assert_eq!(ends, 1, "one operation began, {case:?}");
    let mut lines = super::brief(lines);
    lines.retain(|line| ["end ", "unmatched ", "error "].iter().any(|word| line.starts_with(word)));
    lines.sort_unstable();
    lines
}

fn cancel() -> Script {
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    in_session(cancel).answered(202, "", "")
}

/// All orders of some of the steps in which the own stream ends, and brings nothing after that.
fn orders() -> Vec<Vec<Step>> {
    let mut orders = Vec::new();
    extend(&mut Vec::new(), &[OwnAnswer, OtherAnswer, OtherAnswer, Cancel, SessionEnds, OwnStreamEnds], &mut orders);
    orders.retain(|steps| steps.contains(&OwnStreamEnds));
    orders
}

fn extend(steps: &mut Vec<Step>, left: &[Step], orders: &mut Vec<Vec<Step>>) {
    orders.push(steps.clone());
    for (index, step) in left.iter().enumerate() {
        let is_repeated = left.iter().take(index).any(|other| other == step);
        if is_repeated || *step == OwnAnswer && steps.contains(&OwnStreamEnds) {
            continue;
        }
        let mut rest = left.to_vec();
        rest.remove(index);
        steps.push(*step);
        extend(steps, &rest, orders);
        steps.pop();
    }
}

fn check(is_one_worker: bool, ticks: Ticks) {
    let mut orders = orders();
    assert_eq!(orders.len(), 488);
    if ticks != Ticks::None {
        // A second answer is as the first one after the operation ended.
        orders.retain(|steps| steps.iter().filter(|step| **step == OtherAnswer).count() < 2);
    }
    let mut wrong = Vec::new();
    for steps in &orders {
        for has_event_ids in [false, true] {
            for end in [End::Complete, End::Reset, End::ClientLeft] {
                for kind in [Kind::Result, Kind::ToolError, Kind::RpcError] {
                    // With ticks, one kind is enough.
                    if kind != Kind::Result && (!steps.contains(&OtherAnswer) || ticks != Ticks::None) {
                        continue;
                    }
                    let case = Case { steps, has_event_ids, end, kind, ticks, is_one_worker };
                    let (counted, expected) = (counted(&case), expected(&case));
                    if counted != expected {
                        wrong.push(format!("{case:?}: {counted:?}, expected {expected:?}"));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases, such as {:#?}", wrong.len(), wrong.iter().take(8).collect::<Vec<_>>());
}

#[test]
fn every_order_on_one_worker_is_counted_once() {
    check(true, Ticks::None);
    check(true, Ticks::AfterStart);
    check(true, Ticks::AfterEachStep);
}

#[test]
fn every_order_on_two_workers_without_ticks_is_counted_once() {
    check(false, Ticks::None);
}

#[test]
fn every_order_on_two_workers_with_ticks_is_counted_once() {
    check(false, Ticks::AfterStart);
    check(false, Ticks::AfterEachStep);
}
