//! The tools of the demo's server. Each shows one thing in the table, and its name says which.

use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;

/// Steps of an import, each with a notification of its progress.
pub(super) const IMPORT_STEPS: u64 = 3;
/// Larger uploads are refused.
const QUOTA_MB: u64 = 100;
/// A line of a download, and how many it has: 200 kB.
const DOWNLOAD_LINE: &str = "The quick brown fox jumps over the lazy dog.\n";
const DOWNLOAD_LINES: usize = 4_500;

/// A tool: its definition, and what it does.
pub(super) struct Tool {
    pub(super) name: &'static str,
    description: &'static str,
    /// Its only argument, and the argument's type in JSON.
    argument: (&'static str, &'static str),
    pub(super) run: fn(&mut Call<'_>) -> Outcome,
}

/// A call of a tool.
pub(super) struct Call<'a> {
    pub(super) arguments: &'a Value,
    /// How many calls this process had before. Durations vary with it.
    pub(super) number: u64,
    /// Tells the client how many of all steps are done.
    pub(super) progress: &'a mut dyn FnMut(u64, u64),
}

/// How a call ends.
pub(super) enum Outcome {
    /// A result.
    Text(String),
    /// A result with `isError`.
    Failed(String),
    /// A JSON-RPC error.
    Error(i64, &'static str),
}

/// All tools.
pub(super) const TOOLS: [Tool; 6] = [
    Tool {
        name: "quick_lookup",
        description: "Looks up a word. It takes some milliseconds.",
        argument: ("word", "string"),
        run: |call| {
            pause(5, 4, call);
            Outcome::Text("A word in the dictionary.".to_owned())
        },
    },
    Tool {
        name: "slow_search",
        description: "Searches everything. It takes about a second.",
        argument: ("query", "string"),
        run: |call| {
            pause(600, 150, call);
            Outcome::Text("3 results".to_owned())
        },
    },
    Tool {
        name: "big_download",
        description: "Returns a file of 200 kB.",
        argument: ("file", "string"),
        run: |call| {
            pause(20, 10, call);
            Outcome::Text(DOWNLOAD_LINE.repeat(DOWNLOAD_LINES))
        },
    },
    Tool {
        name: "import_with_progress",
        description: "Imports rows, and tells its progress.",
        argument: ("rows", "integer"),
        run: |call| {
            for step in 1..=IMPORT_STEPS {
                pause(60, 20, call);
                (call.progress)(step, IMPORT_STEPS);
            }
            Outcome::Text("All rows were imported.".to_owned())
        },
    },
    Tool {
        name: "flaky_upload",
        description: "Uploads a file. It fails if the file is larger than 100 MB.",
        argument: ("megabytes", "integer"),
        run: |call| {
            pause(30, 15, call);
            let size = call.arguments.get("megabytes").and_then(Value::as_u64).unwrap_or_default();
            if size > QUOTA_MB {
                return Outcome::Failed(format!("{size} MB are more than the quota of {QUOTA_MB} MB."));
            }
            Outcome::Text("The file was uploaded.".to_owned())
        },
    },
    Tool {
        name: "crashing_report",
        description: "Makes a report. It always ends with a JSON-RPC error.",
        argument: ("month", "string"),
        run: |call| {
            pause(10, 5, call);
            Outcome::Error(-32603, "Internal error: division by zero")
        },
    },
];

// === impl Tool ===

impl Tool {
    /// The definition, as `tools/list` has it.
    pub(super) fn definition(&self) -> Value {
        let (argument, kind) = self.argument;
        json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": {"type": "object", "properties": {argument: {"type": kind}}, "required": [argument]},
        })
    }
}

/// Takes some time: from `least`, in up to nine steps, in milliseconds.
fn pause(least: u64, step: u64, call: &Call<'_>) {
    sleep(Duration::from_millis(least + step * (call.number * 7 % 10)));
}
