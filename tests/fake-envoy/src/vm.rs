//! One worker: an instance of the module with its root context.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use wasmtime::{Linker, Module, Store, WasmParams, WasmResults};

use crate::callbacks::{Callbacks, Export, Message};
use crate::process::Process;
use crate::state::{ROOT, State, StreamState};
use crate::trace::{self, Trace};
use crate::{Cost, Fault, Stream, hostcalls, imports, wasi};

/// Far above what the largest body needs, so that an endless loop ends as a fault.
const FUEL_PER_CALLBACK: u64 = 2_000_000_000;

const ABI_EXPORT: &str = "proxy_abi_version_0_2_1";

/// How a plugin is set up: its configuration and the VM's environment.
#[derive(Debug, Clone, Default)]
pub struct Plugin {
    /// The configuration as it reaches the module; empty for none.
    pub configuration: Vec<u8>,
    /// Environment variables of the VM.
    pub environment: Vec<(String, String)>,
    /// What a pause in a request's callback does.
    pub pause: Pause,
}

/// What a pause in the callback of a request's headers does. A pause in a callback of a response is always a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pause {
    /// A fault, as for a filter that only observes.
    #[default]
    Fails,
    /// Holds the headers; callbacks of the body follow (`allow_on_headers_stop_iteration: true`).
    HoldsHeaders,
    /// Holds everything until the module resumes the request (Envoy's default).
    HoldsAll,
}

/// One worker of a [`crate::Host`].
pub struct Vm {
    store: RefCell<Store<State>>,
    callbacks: Callbacks,
    next_context: Cell<u32>,
    fuel: Cell<u64>,
    pause: Pause,
    configured: Cell<bool>,
}

/// Direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Response,
}

// === impl Plugin ===

impl Plugin {
    /// A plugin with this configuration and an empty environment.
    pub fn new(configuration: &str) -> Self {
        Self { configuration: configuration.as_bytes().to_vec(), ..Self::default() }
    }

    /// The same, and a pause does this.
    #[must_use]
    pub fn pausing(self, pause: Pause) -> Self {
        Self { pause, ..self }
    }
}

// === impl Vm ===

impl Vm {
    pub(crate) fn start(
        module: &Module,
        process: Rc<RefCell<Process>>,
        plugin: &Plugin,
        number: u64,
    ) -> Result<Self, Fault> {
        let mut linker = Linker::new(module.engine());
        hostcalls::link(&mut linker).map_err(load)?;
        wasi::link(&mut linker).map_err(load)?;
        trace::link(&mut linker).map_err(load)?;
        imports::link_never_called(&mut linker, module).map_err(load)?;
        let mut store = Store::new(module.engine(), State::new(process, plugin, number));
        store.set_fuel(FUEL_PER_CALLBACK).map_err(load)?;
        let instance = linker.instantiate(&mut store, module).map_err(load)?;
        if instance.get_func(&mut store, ABI_EXPORT).is_none() {
            return Err(Fault::Load(format!("{ABI_EXPORT} is not exported")));
        }
        let memory = instance.get_memory(&mut store, "memory");
        let allocate = instance.get_typed_func(&mut store, "proxy_on_memory_allocate").ok();
        store.data_mut().memory = memory;
        store.data_mut().allocate = allocate;
        let callbacks = Callbacks::find(&instance, &mut store)?;
        let initialize: [Export<(), ()>; 2] =
            ["_initialize", "_start"].map(|name| Export::find(&instance, &mut store, name));
        let vm = Self {
            store: RefCell::new(store),
            callbacks,
            next_context: Cell::new(ROOT + 1),
            fuel: Cell::new(0),
            pause: plugin.pause,
            configured: Cell::new(false),
        };
        for export in &initialize {
            vm.call(export, ROOT, ())?;
        }
        vm.start_root(plugin)?;
        Ok(vm)
    }

    fn start_root(&self, plugin: &Plugin) -> Result<(), Fault> {
        let root = ROOT.cast_signed();
        let Callbacks { create, vm_start, .. } = &self.callbacks;
        self.call(create, ROOT, (root, 0))?;
        if self.call(vm_start, ROOT, (root, 0))? == Some(0) {
            return Err(Fault::Load(format!("{} returned false", vm_start.name)));
        }
        self.configure(&plugin.configuration)
    }

    /// Configures the root context, which may have a configuration already.
    ///
    /// # Errors
    ///
    /// A trap. A refused configuration is no error: [`Vm::is_configured`] returns whether it was accepted.
    pub fn configure(&self, configuration: &[u8]) -> Result<(), Fault> {
        let size =
            i32::try_from(configuration.len()).map_err(|_| Fault::Load("the configuration is too long".to_owned()))?;
        configuration.clone_into(&mut self.store.borrow_mut().data_mut().plugin_configuration);
        self.store.borrow_mut().data_mut().configuring = true;
        let accepted = self.call(&self.callbacks.configure, ROOT, (ROOT.cast_signed(), size))?;
        self.store.borrow_mut().data_mut().configuring = false;
        self.configured.set(accepted != Some(0));
        Ok(())
    }

    /// Whether the module accepted its configuration.
    pub fn is_configured(&self) -> bool {
        self.configured.get()
    }

    /// A new HTTP stream. Its context comes into being with the request headers, or in the log phase.
    pub fn open(&self) -> Stream<'_> {
        let context = self.next_context.get();
        self.next_context.set(context + 1);
        self.store.borrow_mut().data_mut().streams.insert(context, StreamState::new());
        Stream::new(self, context)
    }

    /// Moves the clock of the whole process forward.
    pub fn advance(&self, by: Duration) {
        self.store.borrow().data().process.borrow_mut().advance(by);
    }

    /// Period the module asked for, in milliseconds; 0 for none.
    pub fn tick_period_ms(&self) -> u32 {
        self.store.borrow().data().tick_period_ms
    }

    /// Runs the tick once.
    ///
    /// # Errors
    ///
    /// A trap or a bad host call.
    pub fn tick(&self) -> Result<(), Fault> {
        self.call(&self.callbacks.tick, ROOT, ROOT.cast_signed())?;
        Ok(())
    }

    /// Ends the root context, as when the plugin is replaced or removed: done, then delete.
    ///
    /// # Errors
    ///
    /// A trap, or a root context that asks to live on.
    pub fn end(&self) -> Result<(), Fault> {
        if self.finish_context(ROOT)? {
            Ok(())
        } else {
            Err(Fault::BadCall("the root context refused to be done".to_owned()))
        }
    }

    /// Fuel, host calls and host allocations since the VM began.
    pub fn cost(&self) -> Cost {
        let store = self.store.borrow();
        let State { calls, host_allocations, .. } = store.data();
        Cost { fuel: self.fuel.get(), calls: calls.clone(), host_allocations: *host_allocations }
    }

    /// Runs something on this worker and returns what the module did meanwhile, if the host is [`Host::traced`].
    ///
    /// [`Host::traced`]: crate::Host::traced
    ///
    /// # Errors
    ///
    /// Those of `run`.
    pub fn trace<T>(&self, run: impl FnOnce(&Self) -> Result<T, Fault>) -> Result<(T, Trace), Fault> {
        self.store.borrow_mut().data_mut().trace = Some(Trace::default());
        let result = run(self);
        let trace = self.store.borrow_mut().data_mut().trace.take().unwrap_or_default();
        Ok((result?, trace))
    }

    /// Linear memory in bytes; it never shrinks.
    pub fn memory_bytes(&self) -> usize {
        let store = self.store.borrow();
        store.data().memory.map_or(0, |memory| memory.data_size(&*store))
    }

    // --- for streams ---

    pub(crate) fn with_stream<T>(&self, context: u32, change: impl FnOnce(&mut StreamState) -> T) -> Option<T> {
        self.store.borrow_mut().data_mut().streams.get_mut(&context).map(change)
    }

    pub(crate) fn create_context(&self, context: u32) -> Result<(), Fault> {
        let ids = (context.cast_signed(), ROOT.cast_signed());
        self.call(&self.callbacks.create, context, ids)?;
        Ok(())
    }

    pub(crate) fn pause(&self) -> Pause {
        self.pause
    }

    pub(crate) fn on_headers(&self, side: Side, context: u32, count: usize, end: bool) -> Result<bool, Fault> {
        let arguments = (context.cast_signed(), small(count)?, i32::from(end));
        self.call_message(&self.message(side).headers, side, context, arguments)
    }

    pub(crate) fn on_body(&self, side: Side, context: u32, size: usize, end: bool) -> Result<bool, Fault> {
        let arguments = (context.cast_signed(), small(size)?, i32::from(end));
        self.call_message(&self.message(side).body, side, context, arguments)
    }

    pub(crate) fn on_trailers(&self, side: Side, context: u32, count: usize) -> Result<bool, Fault> {
        let arguments = (context.cast_signed(), small(count)?);
        self.call_message(&self.message(side).trailers, side, context, arguments)
    }

    pub(crate) fn on_log(&self, context: u32) -> Result<(), Fault> {
        self.call(&self.callbacks.log, context, context.cast_signed())?;
        Ok(())
    }

    /// Done, then delete at once whatever done returned, which is what Envoy does with HTTP streams.
    pub(crate) fn finish_context(&self, context: u32) -> Result<bool, Fault> {
        let done = self.call(&self.callbacks.done, context, context.cast_signed())?;
        self.call(&self.callbacks.delete, context, context.cast_signed())?;
        Ok(done != Some(0))
    }

    pub(crate) fn forget(&self, context: u32) -> BTreeMap<String, String> {
        let stream = self.store.borrow_mut().data_mut().streams.remove(&context);
        stream.map(|stream| stream.filter_state).unwrap_or_default()
    }

    fn message(&self, side: Side) -> &Message {
        match side {
            Side::Request => &self.callbacks.request,
            Side::Response => &self.callbacks.response,
        }
    }

    /// Returns whether the module paused.
    fn call_message<P: WasmParams>(
        &self,
        export: &Export<P, i32>,
        side: Side,
        context: u32,
        arguments: P,
    ) -> Result<bool, Fault> {
        let may_pause = side == Side::Request && self.pause != Pause::Fails;
        match self.call(export, context, arguments)? {
            None | Some(0) => Ok(false),
            Some(1) if may_pause => Ok(true),
            Some(action) => Err(Fault::Paused { callback: export.name, action }),
        }
    }

    /// Calls an export if the module has it, and counts the fuel.
    fn call<P: WasmParams, R: WasmResults>(
        &self,
        export: &Export<P, R>,
        context: u32,
        arguments: P,
    ) -> Result<Option<R>, Fault> {
        let Some(function) = &export.function else { return Ok(None) };
        let mut store = self.store.borrow_mut();
        store.data_mut().context = context;
        store.set_fuel(FUEL_PER_CALLBACK).map_err(load)?;
        let outcome = function.call(&mut *store, arguments);
        let left = store.get_fuel().map_err(load)?;
        self.fuel.set(self.fuel.get() + (FUEL_PER_CALLBACK - left));
        let value = outcome.map_err(|error| match error.downcast::<Fault>() {
            Ok(fault) => fault,
            Err(error) => {
                let said = store.data().last_critical.clone().unwrap_or_default();
                Fault::Trap { callback: export.name, cause: format!("{error:#} {said}") }
            }
        })?;
        Ok(Some(value))
    }
}

fn load(error: wasmtime::Error) -> Fault {
    Fault::Load(format!("{error:#}"))
}

fn small(size: usize) -> Result<i32, Fault> {
    i32::try_from(size).map_err(|_| Fault::BadCall(format!("{size} does not fit the ABI")))
}
