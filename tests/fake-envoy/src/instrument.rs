//! Makes a copy of a module that reports what it does: each function that begins, each access to linear memory, each
//! call of the allocator.
//!
//! The copy has the module's functions, in their order, and its data. It reports by calls of three added imports, which
//! [`crate::trace`] implements. Everything else is unchanged, so the copy does what the module does, at the same
//! addresses.
//!
//! # What this does not do
//!
//! Atomics and 64-bit memories are refused. Globals and tables are not in linear memory and are not reported.

mod access;

use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{EntityType, Instruction, ValType};
use wasmparser::{CompositeInnerType, FunctionBody, Operator, Parser, Payload, TypeRef};

use crate::Fault;
use crate::symbols::Symbols;
use crate::trace::{self, Function};
use access::Access;

/// The copy, and the functions that the module defines.
pub(crate) struct Instrumented {
    pub(crate) bytes: Vec<u8>,
    pub(crate) functions: Vec<Function>,
}

/// What the copier has to know of a module before it copies the first instruction.
#[derive(Default)]
struct Outline {
    /// For each type, how many parameters a function of it has.
    parameters: Vec<u32>,
    /// How many functions are imported. Their indices come before those of the defined functions.
    imported: u32,
    /// For each defined function, its type.
    types: Vec<u32>,
    /// For each defined function, the bytes of its body: locals and instructions.
    code: Vec<usize>,
}

/// Copies a module section by section.
struct Copier<'module> {
    outline: &'module Outline,
    symbols: &'module Symbols,
    /// How many defined functions are copied so far.
    copied: u32,
    /// Whether the instruction that was copied last accesses memory at an offset.
    has_address: bool,
}

/// Locals that the copy adds to a function: the index of the first one, which follows the function's own locals.
struct Locals(u32);

/// The types of [`Locals`], in their order.
const SCRATCH: [ValType; 6] = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128, ValType::I32];

/// Imports that the copy adds, after the module's own.
const ENTER: u32 = 0;
const TOUCH: u32 = 1;
const ALLOCATOR: u32 = 2;
const ADDED: u32 = 3;

/// Makes the copy.
pub(crate) fn instrument(module: &[u8], symbols: &Symbols) -> Result<Instrumented, Fault> {
    let outline = Outline::read(module).map_err(|error| refused(&error.into()))?;
    if outline.imported == 0 {
        return Err(Fault::Load("a module without imports cannot be instrumented".to_owned()));
    }
    let defined = u32::try_from(outline.code.len()).unwrap_or(u32::MAX);
    symbols.check_count(outline.imported + defined)?;
    let mut copier = Copier { outline: &outline, symbols, copied: 0, has_address: false };
    let mut copy = wasm_encoder::Module::new();
    copier.parse_core_module(&mut copy, Parser::new(0), module).map_err(|error| refused(&error))?;
    let indices = outline.imported..outline.imported + defined;
    let functions = indices.zip(&outline.code).map(|(index, code)| Function { name: symbols.name(index), code: *code });
    let functions = functions.collect();
    Ok(Instrumented { bytes: copy.finish(), functions })
}

fn refused(error: &Error<Fault>) -> Fault {
    Fault::Load(format!("the module cannot be instrumented: {error}"))
}

// === impl Outline ===

impl Outline {
    fn read(module: &[u8]) -> wasmparser::Result<Self> {
        let mut outline = Self::default();
        for payload in Parser::new(0).parse_all(module) {
            match payload? {
                Payload::TypeSection(groups) => {
                    for group in groups {
                        outline.parameters.extend(group?.types().map(|one| match &one.composite_type.inner {
                            CompositeInnerType::Func(function) => function.params().len() as u32,
                            _ => 0,
                        }));
                    }
                }
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        outline.imported += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                    }
                }
                Payload::FunctionSection(types) => outline.types = types.into_iter().collect::<Result<_, _>>()?,
                Payload::CodeSectionEntry(body) => outline.code.push(body.range().len()),
                _ => {}
            }
        }
        Ok(outline)
    }

    fn parameters(&self, defined: u32) -> u32 {
        let function = self.types.get(defined as usize);
        function.and_then(|index| self.parameters.get(*index as usize)).copied().unwrap_or_default()
    }
}

// === impl Locals ===

impl Locals {
    /// The local for a value of this type.
    fn of(&self, value: ValType) -> u32 {
        let place = SCRATCH.iter().position(|one| *one == value).unwrap_or_default();
        self.0 + u32::try_from(place).unwrap_or_default()
    }

    /// The local for a size.
    fn size(&self) -> u32 {
        self.0 + 5
    }
}

// === impl Copier ===

impl Copier<'_> {
    fn added(&self, import: u32) -> Instruction<'static> {
        Instruction::Call(self.outline.imported + import)
    }

    /// Copies one instruction of a body, with the calls that report it.
    fn copy(
        &mut self,
        function: &mut wasm_encoder::Function,
        operator: Operator<'_>,
        locals: &Locals,
    ) -> Result<(), Error<Fault>> {
        let access = Access::of(&operator);
        let allocates =
            matches!(operator, Operator::Call { function_index } if self.symbols.is_allocator(function_index));
        let shown = format!("{operator:?}");
        self.has_address = false;
        let instruction = self.instruction(operator)?;
        if self.has_address && access.is_none() {
            return Err(Error::UserError(Fault::Load(format!("unknown access to memory: {shown}"))));
        }
        if let Some(access) = access {
            self.report(function, access, locals);
        }
        if allocates {
            function.instruction(&Instruction::I32Const(1)).instruction(&self.added(ALLOCATOR));
        }
        function.instruction(&instruction);
        if allocates {
            function.instruction(&Instruction::I32Const(-1)).instruction(&self.added(ALLOCATOR));
        }
        Ok(())
    }

    /// Reports an access whose operands are on the stack, and leaves them there.
    fn report(&self, function: &mut wasm_encoder::Function, access: Access, locals: &Locals) {
        let touch = self.added(TOUCH);
        let size = Instruction::LocalGet(locals.size());
        // The import takes the address from the stack and returns it, so it is on the stack again.
        let constant = |function: &mut wasm_encoder::Function, offset: u64, width: i32| {
            let offset = (offset as u32).cast_signed();
            function.instruction(&Instruction::I32Const(offset));
            function.instruction(&Instruction::I32Const(width)).instruction(&touch);
        };
        match access {
            Access::Load { offset, width } => constant(function, offset, width),
            Access::WithValue { offset, width, value } => {
                let kept = locals.of(value);
                function.instruction(&Instruction::LocalSet(kept));
                constant(function, offset, width);
                function.instruction(&Instruction::LocalGet(kept));
            }
            Access::WriteRange | Access::CopyRange => {
                let second = locals.of(ValType::I32);
                function.instruction(&Instruction::LocalSet(locals.size())).instruction(&Instruction::LocalSet(second));
                function.instruction(&Instruction::I32Const(0)).instruction(&size).instruction(&touch);
                function.instruction(&Instruction::LocalGet(second));
                if access == Access::CopyRange {
                    function.instruction(&Instruction::I32Const(0)).instruction(&size).instruction(&touch);
                }
                function.instruction(&size);
            }
        }
    }
}

impl Reencode for Copier<'_> {
    type Error = Fault;

    fn function_index(&mut self, index: u32) -> Result<u32, Error<Fault>> {
        Ok(if index < self.outline.imported { index } else { index + ADDED })
    }

    fn mem_arg(&mut self, memarg: wasmparser::MemArg) -> Result<wasm_encoder::MemArg, Error<Fault>> {
        self.has_address = true;
        utils::mem_arg(self, memarg)
    }

    fn parse_type_section(
        &mut self,
        types: &mut wasm_encoder::TypeSection,
        section: wasmparser::TypeSectionReader<'_>,
    ) -> Result<(), Error<Fault>> {
        utils::parse_type_section(self, types, section)?;
        types.ty().function([ValType::I32], []);
        types.ty().function([ValType::I32; 3], [ValType::I32]);
        Ok(())
    }

    fn parse_import_section(
        &mut self,
        imports: &mut wasm_encoder::ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), Error<Fault>> {
        utils::parse_import_section(self, imports, section)?;
        // The two types that `parse_type_section` adds behind the module's own.
        let one_argument = u32::try_from(self.outline.parameters.len()).unwrap_or(u32::MAX);
        let three_arguments = one_argument + 1;
        for (name, signature) in
            [(trace::ENTER, one_argument), (trace::TOUCH, three_arguments), (trace::ALLOCATOR, one_argument)]
        {
            imports.import(trace::MODULE, name, EntityType::Function(signature));
        }
        Ok(())
    }

    fn parse_function_body(
        &mut self,
        code: &mut wasm_encoder::CodeSection,
        body: FunctionBody<'_>,
    ) -> Result<(), Error<Fault>> {
        let mut declared = Vec::new();
        for locals in body.get_locals_reader()? {
            let (count, value) = locals?;
            declared.push((count, self.val_type(value)?));
        }
        let own = self.outline.parameters(self.copied) + declared.iter().map(|(count, _)| count).sum::<u32>();
        declared.extend(SCRATCH.map(|value| (1, value)));
        let mut function = wasm_encoder::Function::new(declared);
        function.instruction(&Instruction::I32Const(self.copied.cast_signed())).instruction(&self.added(ENTER));
        let mut operators = body.get_operators_reader()?;
        while !operators.eof() {
            self.copy(&mut function, operators.read()?, &Locals(own))?;
        }
        code.function(&function);
        self.copied += 1;
        Ok(())
    }
}
