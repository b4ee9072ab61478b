//! The few WASI calls a Rust module makes, with a clock that tests move and random bytes that repeat.

use wasmtime::{Linker, Result};

use crate::guest::{Call, Guest, bad_call};
use crate::process::LogLine;
use crate::state::State;

const MODULE: &str = "wasi_snapshot_preview1";
const SUCCESS: i32 = 0;
const CLOCK_REALTIME: i32 = 0;
const LEVEL_ERROR: u32 = 4;

pub(crate) fn link(linker: &mut Linker<State>) -> Result<()> {
    link_clock_and_random(linker)?;
    link_environment(linker)?;
    linker.func_wrap(
        MODULE,
        "fd_write",
        |mut caller: Call<'_>, _file: i32, parts: i32, count: i32, written: i32| {
            caller.data_mut().count("fd_write");
            let message = gather(&mut Guest(&mut caller), parts, count)?;
            Guest(&mut caller).write_u32(written, u32::try_from(message.len())?)?;
            let message = String::from_utf8_lossy(&message).into_owned();
            let state = caller.data_mut();
            state.last_critical = Some(message.clone());
            state.process.borrow_mut().log.push(LogLine { level: LEVEL_ERROR, message });
            Ok(SUCCESS)
        },
    )?;
    linker.func_wrap(MODULE, "proc_exit", |_: Call<'_>, code: i32| -> Result<()> {
        Err(bad_call(format!("proc_exit({code})")))
    })?;
    Ok(())
}

fn link_clock_and_random(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(MODULE, "clock_time_get", |mut caller: Call<'_>, clock: i32, _precision: i64, to: i32| {
        caller.data_mut().count("clock_time_get");
        let now = {
            let process = caller.data().process.borrow();
            if clock == CLOCK_REALTIME { process.wall_ns() } else { process.monotonic_ns() }
        };
        Guest(&mut caller).write_u64(to, now)?;
        Ok(SUCCESS)
    })?;
    linker.func_wrap(MODULE, "random_get", |mut caller: Call<'_>, to: i32, size: i32| {
        caller.data_mut().count("random_get");
        let mut bytes = vec![0; size.cast_unsigned() as usize];
        caller.data_mut().random.fill(&mut bytes);
        Guest(&mut caller).write(to, &bytes)?;
        Ok(SUCCESS)
    })?;
    Ok(())
}

fn link_environment(linker: &mut Linker<State>) -> Result<()> {
    linker.func_wrap(MODULE, "environ_sizes_get", |mut caller: Call<'_>, count: i32, size: i32| {
        caller.data_mut().count("environ_sizes_get");
        let entries = environment(caller.data());
        let bytes: usize = entries.iter().map(Vec::len).sum();
        Guest(&mut caller).write_u32(count, u32::try_from(entries.len())?)?;
        Guest(&mut caller).write_u32(size, u32::try_from(bytes)?)?;
        Ok(SUCCESS)
    })?;
    linker.func_wrap(MODULE, "environ_get", |mut caller: Call<'_>, mut pointers: i32, mut at: i32| {
        caller.data_mut().count("environ_get");
        for entry in environment(caller.data()) {
            Guest(&mut caller).write_u32(pointers, at.cast_unsigned())?;
            Guest(&mut caller).write(at, &entry)?;
            pointers += 4;
            at += i32::try_from(entry.len())?;
        }
        Ok(SUCCESS)
    })?;
    Ok(())
}

fn environment(state: &State) -> Vec<Vec<u8>> {
    let entries = state.environment.iter();
    entries.map(|(name, value)| format!("{name}={value}\0").into_bytes()).collect()
}

/// Bytes of an array of (pointer, size) pairs.
fn gather(guest: &mut Guest<'_, '_>, parts: i32, count: i32) -> Result<Vec<u8>> {
    let table = guest.read(parts, count * 8)?;
    let mut bytes = Vec::new();
    for part in table.chunks_exact(8) {
        let word = |range| -> Result<i32> {
            Ok(i32::from_le_bytes(part.get::<std::ops::Range<usize>>(range).unwrap_or_default().try_into()?))
        };
        bytes.extend(guest.read(word(0..4)?, word(4..8)?)?);
    }
    Ok(bytes)
}
