//! Runs a plan against an MCP server with the Rust SDK, and prints the outcomes. For the end-to-end tests.
//!
//! Its one argument is a JSON object: `url`, `mode` (`auto` tries 2026-07-28 first, `legacy` does not), `sessions`
//! and `operations`. Every session runs all operations; all sessions are open at the same time. It prints a JSON list of
//! `{method, name, outcome, progress}`. With `command`, a list of words, each session starts this server on standard input and output.
//!
//! With `steps` instead of `sessions` and `operations` it runs the calls of `tests/e2e/drivers/refused.py`, and prints the same.

mod conversation;
mod handler;
mod refused;

use std::{env, error::Error};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use conversation::Conversation;
use refused::Step;

#[derive(Deserialize)]
struct Plan {
    #[serde(default)]
    url: String,
    mode: String,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    sessions: usize,
    #[serde(default)]
    operations: Vec<Operation>,
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Clone, Deserialize)]
struct Operation {
    method: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    arguments: serde_json::Map<String, Value>,
    #[serde(default)]
    progress: bool,
    #[serde(default)]
    cancel: bool,
}

#[derive(Serialize)]
struct Seen {
    method: String,
    name: String,
    outcome: String,
    progress: usize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let plan: Plan = serde_json::from_str(&env::args().nth(1).ok_or("the plan is missing: a JSON object")?)?;
    if !plan.steps.is_empty() {
        println!("{}", refused::run(&plan).await?);
        return Ok(());
    }
    let mut opened = Vec::new();
    for _ in 0..plan.sessions {
        opened.push(Conversation::open(&plan).await?);
    }
    let mut seen = Vec::new();
    for conversation in &mut opened {
        for operation in &plan.operations {
            if operation.method == "await" {
                conversation.roots_told().await;
            } else {
                seen.push(conversation.run(operation.clone()).await?);
            }
        }
    }
    for conversation in opened {
        conversation.close().await?;
    }
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}
