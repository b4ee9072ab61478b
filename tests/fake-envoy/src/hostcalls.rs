//! The `proxy_*` host calls of ABI 0.2.1 as Envoy 1.40 answers them.
//!
//! Where Envoy would return an error status that the SDK turns into a panic, or that only a mistake in the
//! module can cause, the call fails with a [`Fault`](crate::Fault) that names the problem.

mod decisions;

use wasmtime::{Linker, Result};

use crate::guest::{Call, Guest, bad_call};
use crate::metrics::Kind;
use crate::process::LogLine;
use crate::state::{Pairs, Phase, State};

const OK: i32 = 0;
const NOT_FOUND: i32 = 1;
const CAS_MISMATCH: i32 = 8;

const LEVEL_CRITICAL: u32 = 5;

/// First elements of a property path that Envoy knows; any other names filter state of ours.
const PROPERTY_ROOTS: &[&str] = &[
    "cluster_metadata",
    "connection",
    "connection_id",
    "destination",
    "filter_state",
    "listener_direction",
    "listener_metadata",
    "metadata",
    "plugin_name",
    "plugin_root_id",
    "plugin_vm_id",
    "request",
    "response",
    "route_name",
    "route_metadata",
    "source",
    "upstream",
    "upstream_host_metadata",
    "xds",
];

pub(crate) fn link(linker: &mut Linker<State>) -> Result<()> {
    link_basics(linker)?;
    link_http(linker)?;
    decisions::link(linker)?;
    link_properties(linker)?;
    link_shared_data(linker)?;
    link_metrics(linker)
}

fn link_basics(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap("env", "proxy_log", |mut caller: Call<'_>, level: i32, text: i32, size: i32| {
        caller.data_mut().count("log");
        let message = String::from_utf8_lossy(&Guest(&mut caller).read(text, size)?).into_owned();
        let level = level.cast_unsigned();
        let state = caller.data_mut();
        if level >= LEVEL_CRITICAL {
            state.last_critical = Some(message.clone());
        }
        state.process.borrow_mut().log.push(LogLine { level, message });
        Ok(OK)
    })?;
    linker.func_wrap("env", "proxy_get_current_time_nanoseconds", |mut caller: Call<'_>, to: i32| {
        caller.data_mut().count("get_current_time");
        let now = caller.data().process.borrow().wall_ns();
        Guest(&mut caller).write_u64(to, now)?;
        Ok(OK)
    })?;
    linker.func_wrap("env", "proxy_set_tick_period_milliseconds", |mut caller: Call<'_>, period: i32| {
        caller.data_mut().count("set_tick_period");
        caller.data_mut().tick_period_ms = period.cast_unsigned();
        OK
    })?;
    Ok(())
}

fn link_http(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap("env", "proxy_get_buffer_bytes", get_buffer)?;
    linker.func_wrap("env", "proxy_get_header_map_value", get_header)?;
    linker.func_wrap("env", "proxy_get_header_map_pairs", |mut caller: Call<'_>, map: i32, data: i32, size: i32| {
        caller.data_mut().count("get_headers");
        let blob = serialize(header_map(caller.data(), map).map_or(&[], Vec::as_slice))?;
        Guest(&mut caller).give(&blob, data, size)?;
        Ok(OK)
    })?;
    Ok(())
}

/// All lines of a request header, joined: `request.headers.<name>`, while the headers are at hand.
fn header_lines(state: &State, path: &str) -> Option<Vec<u8>> {
    let name = path.strip_prefix("request.headers.")?;
    let lines: Vec<&[u8]> =
        header_map(state, 0)?.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_slice()).collect();
    (!lines.is_empty()).then(|| lines.join(&b','))
}

fn get_buffer(mut caller: Call<'_>, buffer: i32, start: i32, length: i32, data: i32, size: i32) -> Result<i32> {
    caller.data_mut().count("get_buffer");
    let state = caller.data();
    let phase = state.stream().map(|stream| stream.phase);
    let whole = match (buffer, phase) {
        (0, Some(Phase::RequestBody | Phase::RequestTrailers)) | (1, Some(Phase::ResponseBody)) => {
            state.stream().map(|stream| stream.chunk.as_slice()).unwrap_or_default()
        }
        (6, _) => &[],
        (7, _) if state.configuring => &state.plugin_configuration,
        _ => return Err(bad_call(format!("buffer {buffer} in phase {phase:?}"))),
    };
    let from = (start.cast_unsigned() as usize).min(whole.len());
    let to = from.saturating_add(length.cast_unsigned() as usize).min(whole.len());
    let part = whole.get(from..to).unwrap_or_default().to_vec();
    if !part.is_empty() {
        Guest(&mut caller).give(&part, data, size)?;
    }
    Ok(OK)
}

fn get_header(mut caller: Call<'_>, map: i32, name: i32, name_size: i32, data: i32, size: i32) -> Result<i32> {
    caller.data_mut().count("get_header");
    let name = Guest(&mut caller).read(name, name_size)?;
    let name = String::from_utf8_lossy(&name).to_ascii_lowercase();
    let phase = caller.data().stream().map(|stream| stream.phase);
    let Some(pairs) = header_map(caller.data(), map) else {
        // In the log phase a map may be missing; anywhere else Envoy answers BadArgument.
        return match phase {
            Some(Phase::Log) => Ok(NOT_FOUND),
            _ => Err(bad_call(format!("header {name} of map {map} in phase {phase:?}"))),
        };
    };
    let Some((_, value)) = pairs.iter().find(|(known, _)| *known == name) else {
        return Ok(NOT_FOUND);
    };
    let value = value.clone();
    Guest(&mut caller).give(&value, data, size)?;
    Ok(OK)
}

/// The header map a callback may see: its own, and both header maps while logging.
fn header_map(state: &State, map: i32) -> Option<&Pairs> {
    let stream = state.stream()?;
    match (map, stream.phase) {
        (0, Phase::RequestHeaders | Phase::Log) => stream.request_headers.as_ref(),
        (1, Phase::RequestTrailers) | (3, Phase::ResponseTrailers) => Some(&stream.trailers),
        (2, Phase::ResponseHeaders | Phase::Log) => stream.response_headers.as_ref(),
        _ => None,
    }
}

fn serialize(pairs: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut blob = u32::try_from(pairs.len())?.to_le_bytes().to_vec();
    for (name, value) in pairs {
        blob.extend(u32::try_from(name.len())?.to_le_bytes());
        blob.extend(u32::try_from(value.len())?.to_le_bytes());
    }
    for (name, value) in pairs {
        blob.extend(name.as_bytes());
        blob.push(0);
        blob.extend(value);
        blob.push(0);
    }
    Ok(blob)
}

fn link_properties(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_property",
        |mut caller: Call<'_>, path: i32, path_size: i32, data: i32, size: i32| {
            caller.data_mut().count("get_property");
            let path = Guest(&mut caller).read(path, path_size)?;
            let path = String::from_utf8_lossy(&path).replace('\0', ".");
            let root = path.split('.').next().unwrap_or_default();
            if !PROPERTY_ROOTS.contains(&root) {
                return Err(bad_call(format!("property {path} does not exist")));
            }
            let state = caller.data();
            let of_stream = state.stream().and_then(|stream| stream.properties.get(&path).cloned());
            let value = of_stream
                .or_else(|| state.process.borrow().properties.get(&path).cloned())
                .or_else(|| header_lines(state, &path));
            let Some(value) = value else { return Ok(NOT_FOUND) };
            Guest(&mut caller).give(&value, data, size)?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_property",
        |mut caller: Call<'_>, path: i32, path_size: i32, value: i32, value_size: i32| {
            caller.data_mut().count("set_property");
            let path = Guest(&mut caller).read(path, path_size)?;
            let value = Guest(&mut caller).read(value, value_size)?;
            // Elements are joined by NUL, and a key with NUL cannot be named in an access log format.
            let path = String::from_utf8(path).ok().filter(|path| !path.contains('\0'));
            let path = path.ok_or_else(|| bad_call("filter state needs a path of one element".to_owned()))?;
            let value = String::from_utf8(value).map_err(|_| bad_call(format!("filter state {path} is not text")))?;
            let stream = caller.data_mut().stream_mut();
            let stream = stream.ok_or_else(|| bad_call(format!("filter state {path} outside a stream")))?;
            stream.filter_state.insert(path, value);
            Ok(OK)
        },
    )?;
    Ok(())
}

fn link_shared_data(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_get_shared_data",
        |mut caller: Call<'_>, key: i32, key_size: i32, data: i32, size: i32, cas: i32| {
            caller.data_mut().count("get_shared_data");
            let key = Guest(&mut caller).read(key, key_size)?;
            let found = caller.data().process.borrow().shared_data.get(&key).cloned();
            let Some((value, version)) = found else { return Ok(NOT_FOUND) };
            Guest(&mut caller).give(&value, data, size)?;
            Guest(&mut caller).write_u32(cas, version)?;
            Ok(OK)
        },
    )?;
    linker.func_wrap(
        "env",
        "proxy_set_shared_data",
        |mut caller: Call<'_>, key: i32, key_size: i32, value: i32, value_size: i32, cas: i32| {
            caller.data_mut().count("set_shared_data");
            let key = Guest(&mut caller).read(key, key_size)?;
            let value = Guest(&mut caller).read(value, value_size)?;
            let mut process = caller.data().process.borrow_mut();
            let current = process.shared_data.get(&key).map(|(_, version)| *version);
            if current.is_some_and(|current| cas != 0 && cas.cast_unsigned() != current) {
                return Ok(CAS_MISMATCH);
            }
            process.next_cas += 1;
            let version = process.next_cas;
            process.shared_data.insert(key, (value, version));
            Ok(OK)
        },
    )?;
    Ok(())
}

fn link_metrics(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(
        "env",
        "proxy_define_metric",
        |mut caller: Call<'_>, kind: i32, name: i32, name_size: i32, to: i32| {
            caller.data_mut().count("define_metric");
            let name = Guest(&mut caller).read(name, name_size)?;
            let kind = match kind {
                0 => Kind::Counter,
                1 => Kind::Gauge,
                2 => Kind::Histogram,
                other => return Err(bad_call(format!("metric kind {other}"))),
            };
            let state = caller.data_mut();
            state.process.borrow_mut().metrics.define(kind, &name);
            state.metric_ids.push((kind, name));
            let id = (u32::try_from(state.metric_ids.len())? << 2) | kind as u32;
            Guest(&mut caller).write_u32(to, id)?;
            Ok(OK)
        },
    )?;
    linker.func_wrap("env", "proxy_increment_metric", |mut caller: Call<'_>, id: i32, offset: i64| {
        caller.data_mut().count("increment_metric");
        let state = caller.data();
        let name = metric_name(state, id)?;
        let done = state.process.borrow_mut().metrics.increment(name, offset);
        done.map_err(|cause| bad_call(format!("{}: {cause}", String::from_utf8_lossy(name))))?;
        Ok(OK)
    })?;
    linker.func_wrap("env", "proxy_record_metric", |mut caller: Call<'_>, id: i32, value: i64| {
        caller.data_mut().count("record_metric");
        let state = caller.data();
        let name = metric_name(state, id)?;
        state.process.borrow_mut().metrics.record(name, value.cast_unsigned());
        Ok(OK)
    })?;
    Ok(())
}

fn metric_name(state: &State, id: i32) -> Result<&[u8]> {
    let id = id.cast_unsigned();
    let index = (id >> 2).wrapping_sub(1) as usize;
    match state.metric_ids.get(index) {
        Some((kind, name)) if *kind as u32 == id & 3 => Ok(name),
        _ => Err(bad_call(format!("metric id {id} was never defined in this VM"))),
    }
}
