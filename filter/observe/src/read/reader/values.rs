//! Writes the values of members into the message.
//!
//! A member that is repeated replaces the earlier one: its value is cleared when the member begins.

use super::Reader;
use super::member::Member;
use crate::id::{Id, RequestId};
use crate::read::message::{Outcome, ResultType, RpcErrorCode};
use crate::read::trace_parent::trace_parent;
use crate::text::Text;
use std::num::NonZeroU64;
use std::rc::Rc;

// === impl Reader ===

impl Reader {
    /// A member begins: clears the value of an earlier one of the same name.
    pub(super) fn begin_member(&mut self, member: Member) {
        let message = &mut self.message;
        match member {
            Member::Version => message.version = false,
            Member::Id => message.id = Id::Odd,
            Member::Method => message.method = None,
            Member::Params => message.params = Some(Box::default()),
            Member::Result => message.result = Some(Outcome::default()),
            Member::Error => message.error = None,
            Member::Code => message.error = Some(RpcErrorCode::Invalid),
            Member::ItemName => self.item_name = None,
            _ => {
                self.begin_params_member(member);
                self.begin_result_member(member);
            }
        }
    }

    fn begin_params_member(&mut self, member: Member) {
        let Some(params) = &mut self.message.params else { return };
        match member {
            Member::Name => params.name = None,
            Member::Uri => params.uri = None,
            Member::TaskId => params.task_id = None,
            Member::TaskStatus => params.status = None,
            Member::TaskResult | Member::TaskIsError => params.is_error = false,
            Member::RequestId => params.request_id = None,
            Member::Cursor => params.cursor = None,
            Member::ClientInfo | Member::ClientName => params.client_name = None,
            Member::Meta => {
                (params.meta_version, params.meta_client_name, params.trace_parent) = (None, None, None);
            }
            Member::MetaVersion => params.meta_version = None,
            Member::MetaClientInfo | Member::MetaClientName => params.meta_client_name = None,
            Member::TraceParent => params.trace_parent = None,
            _ => {}
        }
    }

    fn begin_result_member(&mut self, member: Member) {
        let Some(result) = &mut self.message.result else { return };
        match member {
            Member::IsError => result.is_error = false,
            Member::ResultType => result.result_type = ResultType::Complete,
            Member::Task => result.task = false,
            Member::Meta | Member::MetaTask | Member::AnnouncedId => result.announced_task = None,
            Member::TaskId => result.task_id = None,
            Member::TaskStatus => result.status = None,
            Member::TaskResult | Member::TaskIsError => result.inner_is_error = false,
            Member::ProtocolVersion => result.protocol_version = None,
            Member::NextCursor => result.next_cursor = None,
            Member::List(kind) => result.lists.retain(|list| list.kind != kind),
            _ => {}
        }
    }

    pub(super) fn string(&mut self, text: &Text) {
        let message = &mut self.message;
        match self.member {
            Member::Version => message.version = text.whole() == Some(b"2.0"),
            Member::Id => self.id(RequestId::string(text), text),
            Member::Method => message.method = Some(text.clone()),
            Member::Error => message.error = Some(RpcErrorCode::Invalid),
            Member::ItemName => self.item_name = Some(text.start().into()),
            Member::ResultType | Member::ProtocolVersion | Member::NextCursor => self.string_of_result(text),
            Member::TaskId | Member::TaskStatus if message.result.is_some() => self.string_of_result(text),
            Member::AnnouncedId => self.string_of_result(text),
            Member::ClientName | Member::MetaClientName => self.client_name(text),
            _ => self.string_of_params(text),
        }
    }

    fn id(&mut self, id: RequestId, text: &Text) {
        self.message.id = Id::Some(if self.wants_attributes { id.shown_as(text) } else { id });
    }

    fn string_of_params(&mut self, text: &Text) {
        let Some(params) = &mut self.message.params else { return };
        match self.member {
            Member::Name => params.name = Some(text.clone()),
            Member::Uri => params.uri = Some(text.clone()),
            Member::TaskId => params.task_id = Some(text.clone()),
            Member::TaskStatus => params.status = Some(Box::new(text.clone())),
            Member::RequestId => params.request_id = Some(Box::new(RequestId::string(text))),
            Member::Cursor => params.cursor = NonZeroU64::new(text.digest()),
            Member::MetaVersion => params.meta_version = Some(text.clone()),
            Member::TraceParent => params.trace_parent = trace_parent(text.start()).map(Box::from),
            _ => {}
        }
    }

    /// The name of a client. It is copied only if the one before was another.
    fn client_name(&mut self, text: &Text) {
        let Some(params) = &mut self.message.params else { return };
        if self.latest_client.as_deref() != Some(text) {
            self.latest_client = Some(Rc::new(text.clone()));
        }
        let name = self.latest_client.clone();
        match self.member {
            Member::ClientName => params.client_name = name,
            _ => params.meta_client_name = name,
        }
    }

    fn string_of_result(&mut self, text: &Text) {
        let Some(result) = &mut self.message.result else { return };
        match self.member {
            Member::ResultType => {
                result.result_type = match text.whole() {
                    Some(b"input_required") => ResultType::InputRequired,
                    Some(b"task") => ResultType::Task,
                    _ => ResultType::Complete,
                };
            }
            Member::TaskId => result.task_id = Some(Box::new(text.clone())),
            Member::AnnouncedId => result.announced_task = Some(Box::new(text.clone())),
            Member::TaskStatus => result.status = Some(Box::new(text.clone())),
            Member::ProtocolVersion => result.protocol_version = Some(Box::new(text.clone())),
            // Some servers send an empty cursor with the last page.
            Member::NextCursor => result.next_cursor = NonZeroU64::new(text.digest()).filter(|_| text.length() > 0),
            _ => {}
        }
    }

    pub(super) fn number(&mut self, text: &Text) {
        match self.member {
            Member::Id => self.id(RequestId::number(text), text),
            Member::Code => {
                self.message.error = Some(whole_number(text).map_or(RpcErrorCode::Invalid, RpcErrorCode::Integer))
            }
            Member::Error => self.message.error = Some(RpcErrorCode::Invalid),
            Member::RequestId => {
                if let Some(params) = &mut self.message.params {
                    params.request_id = Some(Box::new(RequestId::number(text)));
                }
            }
            _ => {}
        }
    }

    pub(super) fn bool(&mut self, value: bool) {
        match (self.member, &mut self.message.result) {
            (Member::IsError, Some(result)) => result.is_error = value,
            (Member::TaskIsError, Some(result)) => result.inner_is_error = value,
            (Member::TaskIsError, None) => {
                if let Some(params) = &mut self.message.params {
                    params.is_error = value;
                }
            }
            (Member::Error, _) => self.message.error = Some(RpcErrorCode::Invalid),
            _ => {}
        }
    }
}

/// The integer value of a code; `-32602.0` counts as an integer.
fn whole_number(text: &Text) -> Option<i64> {
    let digits = std::str::from_utf8(text.whole()?).ok()?;
    let whole = digits
        .split_once('.')
        .map_or(digits, |(whole, zeros)| if zeros.bytes().all(|byte| byte == b'0') { whole } else { digits });
    whole.parse().ok()
}
