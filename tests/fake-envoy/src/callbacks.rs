//! The exports of a module that Envoy calls. All but the creation of a context are optional, as for Envoy.

use wasmtime::{Instance, Store, TypedFunc, WasmParams, WasmResults};

use crate::Fault;
use crate::state::State;

/// One export under its name.
pub(crate) struct Export<Arguments, Result> {
    pub(crate) name: &'static str,
    pub(crate) function: Option<TypedFunc<Arguments, Result>>,
}

/// The callbacks of one direction: context, size or count, and for the first two the end flag.
pub(crate) struct Message {
    pub(crate) headers: Export<(i32, i32, i32), i32>,
    pub(crate) body: Export<(i32, i32, i32), i32>,
    pub(crate) trailers: Export<(i32, i32), i32>,
}

/// Every callback, looked up once per VM.
pub(crate) struct Callbacks {
    pub(crate) create: Export<(i32, i32), ()>,
    pub(crate) vm_start: Export<(i32, i32), i32>,
    pub(crate) configure: Export<(i32, i32), i32>,
    pub(crate) tick: Export<i32, ()>,
    pub(crate) log: Export<i32, ()>,
    pub(crate) done: Export<i32, i32>,
    pub(crate) delete: Export<i32, ()>,
    pub(crate) request: Message,
    pub(crate) response: Message,
}

// === impl Export ===

impl<Arguments: WasmParams, Result: WasmResults> Export<Arguments, Result> {
    pub(crate) fn find(instance: &Instance, store: &mut Store<State>, name: &'static str) -> Self {
        Self { name, function: instance.get_typed_func(store, name).ok() }
    }
}

// === impl Callbacks ===

impl Callbacks {
    pub(crate) fn find(instance: &Instance, store: &mut Store<State>) -> Result<Self, Fault> {
        let create = Export::find(instance, store, "proxy_on_context_create");
        if create.function.is_none() {
            return Err(Fault::Load(format!("{} is not exported", create.name)));
        }
        Ok(Self {
            create,
            vm_start: Export::find(instance, store, "proxy_on_vm_start"),
            configure: Export::find(instance, store, "proxy_on_configure"),
            tick: Export::find(instance, store, "proxy_on_tick"),
            log: Export::find(instance, store, "proxy_on_log"),
            done: Export::find(instance, store, "proxy_on_done"),
            delete: Export::find(instance, store, "proxy_on_delete"),
            request: Message {
                headers: Export::find(instance, store, "proxy_on_request_headers"),
                body: Export::find(instance, store, "proxy_on_request_body"),
                trailers: Export::find(instance, store, "proxy_on_request_trailers"),
            },
            response: Message {
                headers: Export::find(instance, store, "proxy_on_response_headers"),
                body: Export::find(instance, store, "proxy_on_response_body"),
                trailers: Export::find(instance, store, "proxy_on_response_trailers"),
            },
        })
    }
}
