//! The names of a module's functions, from the file that `scripts/shrink-filter.sh` writes beside the module.

use std::collections::HashSet;
use std::path::Path;

use crate::Fault;

/// Names by function index, imports first.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    names: Vec<String>,
    allocators: HashSet<u32>,
}

/// How the names end of the functions that allocate for Rust: the runtime's, and those of a `#[global_allocator]`.
/// One of each line must be found, except of the second: rustc may inline what fills memory with zeros.
const ALLOCATE: [&str; 2] = ["__rustc::__rust_alloc", "GlobalAlloc>::alloc"];
const ALLOCATE_ZEROED: [&str; 2] = ["__rustc::__rust_alloc_zeroed", "GlobalAlloc>::alloc_zeroed"];
const REALLOCATE: [&str; 2] = ["__rustc::__rust_realloc", "GlobalAlloc>::realloc"];

/// The functions of C below them, where Rust's own are inlined.
const BELOW: [&str; 6] = ["malloc", "dlmalloc", "calloc", "realloc", "aligned_alloc", "posix_memalign"];

// === impl Symbols ===

impl Symbols {
    /// The names of the filter at `module`.
    ///
    /// # Errors
    ///
    /// If there is no file of names beside it, or none of the names is the allocator's.
    pub(crate) fn beside(module: &Path) -> Result<Self, Fault> {
        let mut path = module.to_owned().into_os_string();
        path.push(".symbols");
        let path = Path::new(&path);
        let text = std::fs::read_to_string(path).map_err(|error| {
            let cause =
                format!("{}: {error}; scripts/build-filter.sh writes this file with the module", path.display());
            Fault::Load(cause)
        })?;
        let symbols = Self::parse(&text)?;
        symbols.check_allocator().map_err(|cause| Fault::Load(format!("{}: {cause}", path.display())))?;
        Ok(symbols)
    }

    /// Reads lines `index:name` without gaps.
    pub(crate) fn parse(text: &str) -> Result<Self, Fault> {
        let mut symbols = Self::default();
        for (line, index) in text.lines().zip(0_u32..) {
            let name = line.strip_prefix(&format!("{index}:"));
            let name = name.ok_or_else(|| Fault::Load(format!("names of functions: {line:?} is not {index}:NAME")))?;
            let name = readable(name);
            if allocates(&name) {
                symbols.allocators.insert(index);
            }
            symbols.names.push(name);
        }
        Ok(symbols)
    }

    /// Both ways to allocate must be there by name: calls of an inlined function are not counted.
    pub(crate) fn check_allocator(&self) -> Result<(), String> {
        for ends in [ALLOCATE, REALLOCATE] {
            if !self.names.iter().any(|name| ends_with(name, &ends)) {
                return Err(format!("no function is {}, so allocations cannot be counted", ends.join(" or ")));
            }
        }
        Ok(())
    }

    /// The names must be those of a module with so many functions.
    pub(crate) fn check_count(&self, functions: u32) -> Result<(), Fault> {
        if self.names.len() == functions as usize {
            return Ok(());
        }
        let cause = format!("{} names for {functions} functions: they are those of another module", self.names.len());
        Err(Fault::Load(cause))
    }

    /// A function's name as a person reads it.
    pub(crate) fn name(&self, index: u32) -> String {
        self.names.get(index as usize).cloned().unwrap_or_default()
    }

    /// Whether a call of the function is an allocation.
    pub(crate) fn is_allocator(&self, index: u32) -> bool {
        self.allocators.contains(&index)
    }
}

/// The name without mangling, and without the number that tells apart what the linker found twice.
fn readable(name: &str) -> String {
    let name = match name.rsplit_once('.') {
        Some((before, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => before,
        _ => name,
    };
    format!("{:#}", rustc_demangle::demangle(name))
}

fn allocates(name: &str) -> bool {
    BELOW.contains(&name) || [ALLOCATE, ALLOCATE_ZEROED, REALLOCATE].iter().any(|ends| ends_with(name, ends))
}

fn ends_with(name: &str, ends: &[&str]) -> bool {
    ends.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "_ZN59_$LT$a..Own$u20$as$u20$core..alloc..global..GlobalAlloc$GT$";

    fn allocators(names: &[&str]) -> (Vec<u32>, Result<(), String>) {
        let text: String = names.iter().enumerate().map(|(index, name)| format!("{index}:{name}\n")).collect();
        let symbols = Symbols::parse(&text).unwrap_or_default();
        let found = (0..).take(names.len()).filter(|index| symbols.is_allocator(*index)).collect();
        (found, symbols.check_allocator())
    }

    #[test]
    fn allocator_of_the_standard_library_is_found() {
        let names = [
            "proxy_log",
            "_RNvCsfLfy6EI15iL_7___rustc12___rust_alloc",
            "_RNvCsfLfy6EI15iL_7___rustc14___rust_realloc",
            "_RNvCsfLfy6EI15iL_7___rustc14___rust_dealloc",
            "dlmalloc",
            "dlfree",
            "proxy_on_memory_allocate",
        ];
        assert_eq!(allocators(&names), (vec![1, 2, 4], Ok(())));
    }

    #[test]
    fn allocator_of_the_filter_is_found_under_both_manglings() {
        let legacy =
            ["5alloc", "7realloc", "12alloc_zeroed", "7dealloc"].map(|end| format!("{OWN}{end}17h436aa317727f9b6dE"));
        let legacy: Vec<&str> = legacy.iter().map(String::as_str).collect();
        assert_eq!(allocators(&legacy), (vec![0, 1, 2], Ok(())));
        let new = ["7realloc", "5alloc", "7dealloc", "5alloc.86"].map(|end| {
            format!("_RNvXCs4Q2Qx8jI5j6_1aNtB2_3OwnNtNtNtCsdHhIpgkcIfN_4core5alloc6global11GlobalAlloc{end}")
        });
        let new: Vec<&str> = new.iter().map(String::as_str).collect();
        assert_eq!(allocators(&new), (vec![0, 1, 3], Ok(())));
    }

    #[test]
    fn allocator_without_a_name_is_an_error() {
        let missing = |names: &[&str]| allocators(names).1.err().unwrap_or_default();
        assert_eq!(
            missing(&["proxy_log", "dlmalloc", "realloc"]),
            "no function is __rustc::__rust_alloc or GlobalAlloc>::alloc, so allocations cannot be counted"
        );
        assert_eq!(
            missing(&["_RNvCsfLfy6EI15iL_7___rustc12___rust_alloc", "realloc"]),
            "no function is __rustc::__rust_realloc or GlobalAlloc>::realloc, so allocations cannot be counted"
        );
    }

    #[test]
    fn missing_file_is_named_with_what_writes_it() {
        let fault = Symbols::beside(Path::new("absent/filter.wasm")).err().map(|fault| fault.to_string());
        let fault = fault.unwrap_or_default();
        assert!(fault.contains("absent/filter.wasm.symbols: "), "{fault}");
        assert!(fault.ends_with("scripts/build-filter.sh writes this file with the module"), "{fault}");
    }
}
