//! Which instructions touch linear memory, and what they take from the stack.

use wasm_encoder::ValType;
use wasmparser::Operator;

/// How one instruction touches memory. The operands that it takes from the stack are in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// `[address]`: a load of `width` bytes at `address + offset`.
    Load { offset: u64, width: i32 },
    /// `[address, value]`: a store, or a load into one lane of `value`.
    WithValue { offset: u64, width: i32, value: ValType },
    /// `[to, value, size]`: `memory.fill`. `[to, offset in a segment, size]`: `memory.init`.
    WriteRange,
    /// `[to, from, size]`: `memory.copy`.
    CopyRange,
}

// === impl Access ===

impl Access {
    /// How `operator` touches memory; `None` if it does not. Also `None` for atomics, which the host refuses.
    pub(super) fn of(operator: &Operator<'_>) -> Option<Self> {
        load(operator).or_else(|| store(operator)).or_else(|| lane(operator)).or(match operator {
            Operator::MemoryFill { .. } | Operator::MemoryInit { .. } => Some(Self::WriteRange),
            Operator::MemoryCopy { .. } => Some(Self::CopyRange),
            _ => None,
        })
    }
}

fn load(operator: &Operator<'_>) -> Option<Access> {
    use Operator::{
        F32Load, F64Load, I32Load, I32Load8S, I32Load8U, I32Load16S, I32Load16U, I64Load, I64Load8S, I64Load8U,
        I64Load16S, I64Load16U, I64Load32S, I64Load32U, V128Load, V128Load8Splat, V128Load8x8S, V128Load8x8U,
        V128Load16Splat, V128Load16x4S, V128Load16x4U, V128Load32Splat, V128Load32Zero, V128Load32x2S, V128Load32x2U,
        V128Load64Splat, V128Load64Zero,
    };
    let (memarg, width) = match operator {
        I32Load8S { memarg }
        | I32Load8U { memarg }
        | I64Load8S { memarg }
        | I64Load8U { memarg }
        | V128Load8Splat { memarg } => (memarg, 1),
        I32Load16S { memarg }
        | I32Load16U { memarg }
        | I64Load16S { memarg }
        | I64Load16U { memarg }
        | V128Load16Splat { memarg } => (memarg, 2),
        I32Load { memarg }
        | F32Load { memarg }
        | I64Load32S { memarg }
        | I64Load32U { memarg }
        | V128Load32Splat { memarg }
        | V128Load32Zero { memarg } => (memarg, 4),
        I64Load { memarg }
        | F64Load { memarg }
        | V128Load8x8S { memarg }
        | V128Load8x8U { memarg }
        | V128Load16x4S { memarg }
        | V128Load16x4U { memarg }
        | V128Load32x2S { memarg }
        | V128Load32x2U { memarg }
        | V128Load64Splat { memarg }
        | V128Load64Zero { memarg } => (memarg, 8),
        V128Load { memarg } => (memarg, 16),
        _ => return None,
    };
    Some(Access::Load { offset: memarg.offset, width })
}

fn store(operator: &Operator<'_>) -> Option<Access> {
    use Operator::{
        F32Store, F64Store, I32Store, I32Store8, I32Store16, I64Store, I64Store8, I64Store16, I64Store32, V128Store,
    };
    let (memarg, width, value) = match operator {
        I32Store8 { memarg } => (memarg, 1, ValType::I32),
        I32Store16 { memarg } => (memarg, 2, ValType::I32),
        I32Store { memarg } => (memarg, 4, ValType::I32),
        I64Store8 { memarg } => (memarg, 1, ValType::I64),
        I64Store16 { memarg } => (memarg, 2, ValType::I64),
        I64Store32 { memarg } => (memarg, 4, ValType::I64),
        I64Store { memarg } => (memarg, 8, ValType::I64),
        F32Store { memarg } => (memarg, 4, ValType::F32),
        F64Store { memarg } => (memarg, 8, ValType::F64),
        V128Store { memarg } => (memarg, 16, ValType::V128),
        _ => return None,
    };
    Some(Access::WithValue { offset: memarg.offset, width, value })
}

fn lane(operator: &Operator<'_>) -> Option<Access> {
    use Operator::{
        V128Load8Lane, V128Load16Lane, V128Load32Lane, V128Load64Lane, V128Store8Lane, V128Store16Lane,
        V128Store32Lane, V128Store64Lane,
    };
    let (memarg, width) = match operator {
        V128Load8Lane { memarg, .. } | V128Store8Lane { memarg, .. } => (memarg, 1),
        V128Load16Lane { memarg, .. } | V128Store16Lane { memarg, .. } => (memarg, 2),
        V128Load32Lane { memarg, .. } | V128Store32Lane { memarg, .. } => (memarg, 4),
        V128Load64Lane { memarg, .. } | V128Store64Lane { memarg, .. } => (memarg, 8),
        _ => return None,
    };
    Some(Access::WithValue { offset: memarg.offset, width, value: ValType::V128 })
}
