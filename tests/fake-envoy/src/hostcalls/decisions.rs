//! The host calls that decide what becomes of a request: a local reply, and resuming a request that is held.

use wasmtime::{Linker, Result};

use super::OK;
use crate::guest::{Call, Guest, bad_call};
use crate::state::{LocalReply, Pairs, State};

const BAD_ARGUMENT: i32 = 2;

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap("env", "proxy_send_local_response", send_local_response)?;
    linker.func_wrap("env", "proxy_continue_stream", |mut caller: Call<'_>, side: i32| {
        caller.data_mut().count("continue_stream");
        let context = caller.data().context;
        let stream = caller.data_mut().stream_mut().filter(|_| side == 0);
        let stream = stream.ok_or_else(|| bad_call(format!("stream {context} to resume")))?;
        stream.is_resumed = true;
        Ok(OK)
    })?;
    linker.func_wrap("env", "proxy_set_effective_context", |mut caller: Call<'_>, context: i32| {
        let state = caller.data_mut();
        state.count("set_effective_context");
        if !state.streams.contains_key(&context.cast_unsigned()) {
            return BAD_ARGUMENT;
        }
        state.context = context.cast_unsigned();
        OK
    })?;
    Ok(())
}

/// Envoy sends the reply after the callback, see [`Stream`](crate::Stream).
#[expect(clippy::too_many_arguments, reason = "the signature of the ABI")]
fn send_local_response(
    mut caller: Call<'_>,
    status: i32,
    _details: i32,
    _details_size: i32,
    body: i32,
    body_size: i32,
    headers: i32,
    headers_size: i32,
    _grpc_status: i32,
) -> Result<i32> {
    caller.data_mut().count("send_local_response");
    let body = Guest(&mut caller).read(body, body_size)?;
    let headers = deserialize(&Guest(&mut caller).read(headers, headers_size)?)
        .ok_or_else(|| bad_call("headers of a local reply".to_owned()))?;
    let stream = caller.data_mut().stream_mut();
    let stream = stream.ok_or_else(|| bad_call("local reply outside a stream".to_owned()))?;
    let status = u16::try_from(status)?;
    stream.local_reply.get_or_insert(LocalReply { status, headers, body });
    Ok(OK)
}

/// The reverse of `serialize` in [`super`]; `None` if the blob is cut.
fn deserialize(blob: &[u8]) -> Option<Pairs> {
    let number = |bytes: &[u8]| bytes.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize);
    let count = number(blob)?;
    let (sizes, mut texts) = blob.get(4..)?.split_at_checked(8 * count)?;
    let mut take = |size: &[u8]| {
        let (text, rest) = texts.split_at_checked(number(size)?)?;
        texts = rest.get(1..)?;
        Some(text.to_vec())
    };
    let mut pairs = Pairs::new();
    for size in sizes.chunks(8) {
        let name = String::from_utf8(take(size)?).ok()?;
        pairs.push((name, take(size.get(4..)?)?));
    }
    Some(pairs)
}
