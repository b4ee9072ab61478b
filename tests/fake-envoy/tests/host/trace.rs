//! Tests of the traced copy of a module: what it reports, and that it computes the same.

use std::collections::BTreeMap;

use fake_envoy::{Fault, Footprint, Function, Host, Plugin, Trace, Vm};

use super::module;

/// The functions of every module here, by index: one import, three exports, then `more`.
fn names(more: &[&str]) -> String {
    let first = ["proxy_log", "version", "create", "allocate"];
    let all = first.iter().chain(more).enumerate();
    all.map(|(index, name)| format!("{index}:{name}\n")).collect()
}

const LOG: &str = r#"(import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))"#;

fn traced(body: &str, more: &[&str]) -> Result<(Host, Vm), Fault> {
    let host = Host::traced_from_bytes(&module(LOG, body), &names(more))?;
    let vm = host.start(&Plugin::default())?;
    Ok((host, vm))
}

/// What a tick that runs these instructions does.
fn trace(instructions: &str) -> Trace {
    let body = format!(r#"(data $segment "0123456789") (func (export "proxy_on_tick") (param i32) {instructions})"#);
    let (_host, vm) = traced(&body, &["tick"]).unwrap();
    vm.trace(Vm::tick).unwrap().1
}

fn lines(instructions: &str) -> Vec<u64> {
    trace(instructions).lines.into_iter().collect()
}

#[test]
fn loads_touch_the_lines_of_their_bytes() {
    let cases: &[(&str, i32, &[u64])] = &[
        ("i32.load8_u", 63, &[0]),
        ("i32.load8_s", 64, &[1]),
        ("i32.load16_u", 62, &[0]),
        ("i32.load16_s", 63, &[0, 1]),
        ("i32.load", 60, &[0]),
        ("i32.load", 61, &[0, 1]),
        ("f32.load", 61, &[0, 1]),
        ("i64.load8_u", 63, &[0]),
        ("i64.load8_s", 63, &[0]),
        ("i64.load16_u", 63, &[0, 1]),
        ("i64.load16_s", 62, &[0]),
        ("i64.load32_u", 60, &[0]),
        ("i64.load32_s", 61, &[0, 1]),
        ("i64.load", 56, &[0]),
        ("i64.load", 57, &[0, 1]),
        ("f64.load", 57, &[0, 1]),
        // The constant is added to the address.
        ("i32.load offset=64", 60, &[1]),
        ("i32.load offset=5", 60, &[1]),
    ];
    for (load, address, expected) in cases {
        assert_eq!(&lines(&format!("(drop ({load} (i32.const {address})))")), expected, "{load} {address}");
    }
}

#[test]
fn stores_touch_the_lines_of_their_bytes() {
    let cases: &[(&str, i32, &str, &[u64])] = &[
        ("i32.store8", 63, "i32.const 1", &[0]),
        ("i32.store16", 63, "i32.const 1", &[0, 1]),
        ("i32.store", 60, "i32.const 1", &[0]),
        ("i32.store", 61, "i32.const 1", &[0, 1]),
        ("i64.store8", 63, "i64.const 1", &[0]),
        ("i64.store16", 63, "i64.const 1", &[0, 1]),
        ("i64.store32", 61, "i64.const 1", &[0, 1]),
        ("i64.store", 56, "i64.const 1", &[0]),
        ("i64.store", 57, "i64.const 1", &[0, 1]),
        ("f32.store", 61, "f32.const 1", &[0, 1]),
        ("f64.store", 57, "f64.const 1", &[0, 1]),
        ("f64.store offset=128", 57, "f64.const 1", &[2, 3]),
    ];
    for (store, address, value, expected) in cases {
        assert_eq!(&lines(&format!("({store} (i32.const {address}) ({value}))")), expected, "{store} {address}");
    }
}

#[test]
fn simd_touches_the_lines_of_its_bytes() {
    let vector = "(v128.const i64x2 1 2)";
    let loads: &[(&str, i32, &[u64])] = &[
        ("v128.load", 48, &[0]),
        ("v128.load", 49, &[0, 1]),
        ("v128.load8_splat", 63, &[0]),
        ("v128.load16_splat", 63, &[0, 1]),
        ("v128.load32_zero", 61, &[0, 1]),
        ("v128.load64_splat", 56, &[0]),
        ("v128.load8x8_u", 57, &[0, 1]),
        ("v128.load64_zero offset=64", 57, &[1, 2]),
    ];
    for (load, address, expected) in loads {
        assert_eq!(&lines(&format!("(drop ({load} (i32.const {address})))")), expected, "{load} {address}");
    }
    let lanes: &[(&str, i32, &[u64])] = &[
        ("v128.load8_lane 1", 63, &[0]),
        ("v128.load16_lane 1", 63, &[0, 1]),
        ("v128.load32_lane 1", 60, &[0]),
        ("v128.load64_lane 1", 57, &[0, 1]),
    ];
    for (load, address, expected) in lanes {
        assert_eq!(&lines(&format!("(drop ({load} (i32.const {address}) {vector}))")), expected, "{load} {address}");
        let store = load.replace("load", "store");
        assert_eq!(&lines(&format!("({store} (i32.const {address}) {vector})")), expected, "{store} {address}");
    }
    assert_eq!(lines(&format!("(v128.store (i32.const 49) {vector})")), [0, 1]);
}

#[test]
fn bulk_instructions_touch_every_line_of_their_ranges() {
    let run = |name: &str, [to, second, size]: [i32; 3]| {
        lines(&format!("({name} (i32.const {to}) (i32.const {second}) (i32.const {size}))"))
    };
    assert_eq!(run("memory.fill", [60, 7, 4]), [0]);
    assert_eq!(run("memory.fill", [60, 7, 5]), [0, 1]);
    assert_eq!(run("memory.fill", [0, 7, 200]), [0, 1, 2, 3]);
    assert_eq!(run("memory.fill", [60, 7, 0]), [0_u64; 0]);
    assert_eq!(run("memory.copy", [640, 60, 8]), [0, 1, 10]);
    assert_eq!(run("memory.copy", [640, 60, 0]), [0_u64; 0]);
    assert_eq!(run("memory.init $segment", [60, 2, 8]), [0, 1]);
}

#[test]
fn pages_are_those_of_the_lines() {
    let across = trace("(drop (i32.load (i32.const 4094)))");
    assert_eq!((across.lines.len(), across.pages()), (2, 2));
    let same = trace("(drop (i32.load (i32.const 4096))) (drop (i32.load (i32.const 8188)))");
    assert_eq!((same.lines.len(), same.pages()), (2, 1));
}

#[test]
fn line_that_is_touched_twice_counts_once() {
    let twice = "(i32.store (i32.const 0) (i32.const 1)) (drop (i32.load (i32.const 32)))";
    assert_eq!(lines(twice), [0]);
}

#[test]
fn what_the_host_reads_counts() {
    assert_eq!(lines("(drop (call $log (i32.const 2) (i32.const 126) (i32.const 4)))"), [1, 2]);
}

#[test]
fn what_ran_before_the_trace_does_not_count() {
    let body = r#"(func (export "proxy_on_tick") (param i32) (i32.store (i32.const 0) (i32.const 1)))
                  (func (export "proxy_on_log") (param i32) (i32.store (i32.const 640) (i32.const 1)))"#;
    let (_host, vm) = traced(body, &["tick", "log"]).unwrap();
    vm.tick().unwrap();
    let ((), first) = vm.trace(|vm| vm.open().log()).unwrap();
    assert_eq!(first.lines.into_iter().collect::<Vec<_>>(), [10]);
    vm.tick().unwrap();
    assert_eq!(vm.trace(|_| Ok(())).unwrap().1, Trace::default());
}

#[test]
fn functions_count_with_their_calls_and_code() {
    let body = r#"(func $twice nop) (func $never nop nop)
                  (func (export "proxy_on_tick") (param i32) (call $twice) (call $twice))"#;
    let (host, vm) = traced(body, &["twice", "never", "tick"]).unwrap();
    let ((), trace) = vm.trace(Vm::tick).unwrap();
    // Defined functions: version, create, allocate, twice, never, tick.
    assert_eq!(trace.calls, BTreeMap::from([(3, 2), (5, 1)]));
    let named = |name: &str, code| Function { name: name.to_owned(), code };
    // A count of locals, the instructions, an end: those of the module, not of its copy.
    assert_eq!(host.functions()[3..], [named("twice", 3), named("never", 4), named("tick", 6)]);
    let footprint = Footprint::of(&trace, host.functions());
    assert_eq!(footprint, Footprint { functions: 2, code: 9, lines: 0, pages: 0, allocations: 0 });
}

#[test]
fn allocation_within_the_allocator_is_no_second_one() {
    let body = r#"(func $dlmalloc (param i32) (result i32) (local.get 0))
                  (func $realloc (param i32) (result i32) (call $dlmalloc (local.get 0)))
                  (func $other (drop (call $dlmalloc (i32.const 1))))
                  (func (export "proxy_on_tick") (param i32)
                    (drop (call $realloc (i32.const 1)))
                    (call $other)
                    (drop (call $dlmalloc (i32.const 1))))"#;
    let (_host, vm) = traced(body, &["dlmalloc", "realloc", "other", "tick"]).unwrap();
    let ((), trace) = vm.trace(Vm::tick).unwrap();
    assert_eq!(trace.allocations, 3);
    assert_eq!(trace.calls.get(&3), Some(&3));
}

#[test]
fn allocation_for_the_host_is_counted_and_touches_memory() {
    let imports = r#"(import "env" "proxy_get_property"
        (func $property (param i32 i32 i32 i32) (result i32)))"#;
    let body = r#"(data (i32.const 0) "plugin_name")
        (func (export "proxy_on_tick") (param i32)
          (drop (call $property (i32.const 0) (i32.const 11) (i32.const 100) (i32.const 104))))"#;
    let host = Host::traced_from_bytes(&module(imports, body), &names(&["tick"])).unwrap();
    host.set_property("plugin_name", b"value");
    let vm = host.start(&Plugin::default()).unwrap();
    let before = vm.cost();
    let ((), trace) = vm.trace(Vm::tick).unwrap();
    assert_eq!(vm.cost().since(&before).host_allocations, 1);
    // The name that the host reads, the pointers that it writes, and the value where the module allocated it.
    assert_eq!(trace.lines.into_iter().collect::<Vec<_>>(), [0, 1, 64]);
}

#[test]
fn traced_copy_computes_the_same() {
    let body = r#"(data $segment "segment")
        (global $sum (mut i32) (i32.const 0))
        (table funcref (elem $store))
        (func $store (param i32 i64 f32 f64) (local $vector v128) (local $more i32)
          (i32.store16 offset=2 (local.get 0) (i32.const 0x4142))
          (i64.store (i32.add (local.get 0) (i32.const 8)) (local.get 1))
          (f32.store offset=16 (local.get 0) (local.get 2))
          (f64.store offset=20 (local.get 0) (local.get 3))
          (local.set $vector (v128.load32_splat (local.get 0)))
          (local.set $vector (v128.load8_lane offset=9 3 (local.get 0) (local.get $vector)))
          (v128.store offset=32 (local.get 0) (local.get $vector))
          (v128.store64_lane offset=48 1 (local.get 0) (local.get $vector))
          (memory.fill (i32.add (local.get 0) (i32.const 60)) (i32.const 0x7a) (i32.const 9))
          (memory.copy (i32.add (local.get 0) (i32.const 70)) (local.get 0) (i32.const 64))
          (memory.init $segment (i32.add (local.get 0) (i32.const 140)) (i32.const 1) (i32.const 5))
          (local.set $more (i32.load8_s offset=3 (local.get 0)))
          (global.set $sum (i32.add (global.get $sum) (local.get $more))))
        (func (export "proxy_on_tick") (param i32)
          (call_indirect (param i32 i64 f32 f64)
            (i32.const 256) (i64.const 0x3132333435363738) (f32.const 1.5) (f64.const 2.5) (i32.const 0))
          (i32.store (i32.const 408) (i32.add (i32.const 32) (global.get $sum)))
          (drop (call $log (i32.const 2) (i32.const 256) (i32.const 160))))"#;
    let bytes = module(LOG, body);
    let plain = Host::from_bytes(&bytes).unwrap();
    let copy = Host::traced_from_bytes(&bytes, &names(&["store", "tick"])).unwrap();
    for host in [&plain, &copy] {
        host.start(&Plugin::default()).unwrap().tick().unwrap();
    }
    assert_eq!(plain.log(), copy.log());
    let message = &plain.log()[0].message;
    assert!(message.contains("87654321") && message.contains("zzzz") && message.contains("egmen"), "{message:?}");
}

#[test]
fn module_that_cannot_be_traced_is_refused() {
    let refused = |bytes: &[u8], names: &str| Host::traced_from_bytes(bytes, names).err().unwrap().to_string();
    let atomic = module(LOG, "(func (drop (i32.atomic.load (i32.const 0))))");
    assert!(refused(&atomic, &names(&["atomic"])).contains("unknown access to memory: I32AtomicLoad"));
    let fault = refused(&module(LOG, ""), &names(&["more"]));
    assert!(fault.contains("5 names for 4 functions"), "{fault}");
    let fault = refused(&module(LOG, ""), "0:proxy_log\n2:gap\n");
    assert!(fault.contains("\"2:gap\" is not 1:NAME"), "{fault}");
    let fault = refused(&module("", ""), "");
    assert!(fault.contains("without imports"), "{fault}");
}
