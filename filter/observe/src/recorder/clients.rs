//! The families of clients.
//!
//! A client whose operation has a result is confirmed. So clients that the server refuses cannot take all places of the label
//! budget.
//!
//! **Cost:** no look-up of the name if the client is the same as in the operation before.

use super::Recorder;
use super::families::{ClientRequests, ClientToolCalls};
use super::family::Labels as _;
use super::label_code::{BudgetedValue as _, Client, ClientName, Server, ToolName};
use super::operations::has_result;
use crate::config::ClientNameLabel;
use crate::host::SharedData;
use crate::label::Status;
use crate::observation::OperationEnd;
use crate::recorder::budget::Name;
use std::rc::Rc;

/// The client of the operation that was counted last.
#[derive(Debug)]
pub(super) struct LatestClient {
    text: Rc<str>,
    server: Server,
    is_confirmed: bool,
    client: Client,
}

// === impl LatestClient ===

impl LatestClient {
    /// Whether it is this client. The operations of a session share their text; other sessions may have an equal one.
    fn is(&self, text: &Rc<str>, server: Server) -> bool {
        self.server == server && (Rc::ptr_eq(&self.text, text) || self.text == *text)
    }
}

// === impl Recorder ===

impl Recorder {
    /// Counts an operation for its client. `tool_name` is that of a `tools/call`.
    pub(super) fn client_operation_ended(
        &mut self,
        server_name: Server,
        ended: &OperationEnd<'_>,
        tool_name: Option<ToolName>,
        shared: &dyn SharedData,
    ) {
        if !self.config.wants_client_name() {
            return;
        }
        let status = ended.status;
        let client_name = match &ended.operation.client_name {
            Some(text) => self.client(text, has_result(status), server_name, shared),
            None => Client::Unknown,
        };
        self.count(ClientRequests { client_name, server_name, status }, 1);
        if let Some(tool_name) = tool_name.filter(|_| self.config.client_name == ClientNameLabel::Tools) {
            let calls = |status| ClientToolCalls { client_name, tool_name, server_name, status };
            if !self.stats.contains(calls(Status::Ok).series()) {
                [Status::Ok, Status::Error].into_iter().for_each(|status| self.count(calls(status), 0));
            }
            self.count(calls(status), 1);
        }
    }

    /// The label value of a client's name. Call it once per operation: each call with a name without room counts as an
    /// overflow.
    #[inline]
    fn client(&mut self, text: &Rc<str>, confirmed: bool, server: Server, shared: &dyn SharedData) -> Client {
        match &self.latest_client {
            Some(latest) if latest.is(text, server) && latest.is_confirmed >= confirmed => latest.client,
            _ => self.other_client(text, confirmed, server, shared),
        }
    }

    #[inline(never)]
    fn other_client(&mut self, text: &Rc<str>, confirmed: bool, server: Server, shared: &dyn SharedData) -> Client {
        if &**text == Name::OTHER_TEXT {
            return other();
        }
        let client = Client::Named(self.name(Some(text), confirmed, server, shared));
        if client != other() {
            let text = Rc::clone(text);
            self.latest_client = Some(LatestClient { text, server, is_confirmed: confirmed, client });
        }
        client
    }

    /// The client of a session that starts. Its `initialize` was counted before, so an overflow is not counted again.
    pub(super) fn client_of_session(&mut self, name: Option<&str>, server: Server, shared: &dyn SharedData) -> Client {
        match name {
            None => Client::Unknown,
            Some(Name::OTHER_TEXT) => other(),
            name => Client::Named(self.known_name(name, server, shared)),
        }
    }
}

/// The client whose name has no room in the budget.
fn other() -> Client {
    Client::Named(ClientName::new(Name::Other))
}
