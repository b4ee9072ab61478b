//! The memory of a module, as host calls read and write it.

use wasmtime::{Caller, Result};

use crate::Fault;
use crate::state::State;

/// A host call, with the state of the VM that makes it.
pub(crate) type Call<'vm> = Caller<'vm, State>;

/// Memory of the module that is calling.
pub(crate) struct Guest<'call, 'vm>(pub(crate) &'call mut Call<'vm>);

pub(crate) fn bad_call(what: String) -> wasmtime::Error {
    wasmtime::Error::new(Fault::BadCall(what))
}

// === impl Guest ===

impl Guest<'_, '_> {
    fn memory(&self) -> Result<wasmtime::Memory> {
        self.0.data().memory.ok_or_else(|| bad_call("host call before the memory exists".to_owned()))
    }

    pub(crate) fn read(&mut self, pointer: i32, size: i32) -> Result<Vec<u8>> {
        let mut bytes = vec![0; size.cast_unsigned() as usize];
        self.memory()?.read(&self.0, pointer.cast_unsigned() as usize, &mut bytes)?;
        self.0.data_mut().touch(pointer.cast_unsigned().into(), size.cast_unsigned().into());
        Ok(bytes)
    }

    pub(crate) fn write(&mut self, pointer: i32, bytes: &[u8]) -> Result<()> {
        self.memory()?.write(&mut self.0, pointer.cast_unsigned() as usize, bytes)?;
        self.0.data_mut().touch(pointer.cast_unsigned().into(), bytes.len() as u64);
        Ok(())
    }

    pub(crate) fn write_u32(&mut self, pointer: i32, value: u32) -> Result<()> {
        self.write(pointer, &value.to_le_bytes())
    }

    pub(crate) fn write_u64(&mut self, pointer: i32, value: u64) -> Result<()> {
        self.write(pointer, &value.to_le_bytes())
    }

    /// Copies `bytes` into memory that the module allocates, and returns the address to it.
    pub(crate) fn give(&mut self, bytes: &[u8], pointer_to: i32, size_to: i32) -> Result<()> {
        let size = u32::try_from(bytes.len())?;
        let mut at = 0;
        if size > 0 {
            let allocate = self.0.data().allocate.clone();
            let allocate = allocate.ok_or_else(|| bad_call("no allocator exported".to_owned()))?;
            self.0.data_mut().host_allocations += 1;
            at = allocate.call(&mut self.0, size.cast_signed())?;
            self.write(at, bytes)?;
        }
        self.write_u32(pointer_to, at.cast_unsigned())?;
        self.write_u32(size_to, size)
    }
}
