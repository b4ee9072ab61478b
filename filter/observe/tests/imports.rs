//! Imports follow the data: no module of the core imports one that comes after it, and no files import each other in a circle.
//! The page that draws this names files and functions that exist.
//!
//! A module and its own submodules are one: a submodule uses the types of its parent.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests: a panic is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The modules in the order in which data passes them. A module may import those before it. `docs/design.md` draws this.
const FLOW: [&str; 14] = [
    "text",
    "digest",
    "host",
    "id",
    "shared_data",
    "label",
    "config",
    "read",
    "observation",
    "correlation",
    "limit",
    "exchange",
    "recorder",
    "plugin",
];

/// A module's path in the crate, such as `["recorder", "series"]`.
type Module = Vec<String>;

#[test]
fn imports_of_the_core_follow_the_flow() {
    let place = |module: &Module| FLOW.iter().position(|name| *name == module[0]);
    for (module, imported) in imports(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let here = place(&module).unwrap_or_else(|| panic!("{} is not in FLOW", module[0]));
        for other in imported.iter().filter(|other| other[0] != module[0]) {
            assert!(place(other) < Some(here), "{} imports {}", module.join("::"), other.join("::"));
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for source in ["src", "../../envoy/src", "../src"] {
        let mut left = imports(&Path::new(env!("CARGO_MANIFEST_DIR")).join(source));
        assert!(!left.is_empty(), "{source} has no modules");
        // Modules without imports that are left cannot be in a circle.
        loop {
            let names: BTreeSet<Module> = left.keys().cloned().collect();
            let before = left.len();
            left.retain(|_, imported| imported.iter().any(|other| names.contains(other)));
            if left.len() == before {
                break;
            }
        }
        assert!(left.is_empty(), "{source}: {left:#?}");
    }
}

/// `docs/design.md` names files of the core, the filter and the connector, each with functions and types that it defines.
#[test]
fn the_files_and_functions_of_the_design_page_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("../../docs/design.md")).unwrap();
    let mut checked = 0;
    for cell in page.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('|')) {
        let mut text = String::new();
        for name in cell.split('`').skip(1).step_by(2) {
            if name.ends_with(".rs") {
                let file = ["src", "../src", "../../connector/src"]
                    .iter()
                    .find_map(|folder| std::fs::read_to_string(root.join(folder).join(name)).ok());
                text = file.unwrap_or_else(|| panic!("docs/design.md: {name} does not exist"));
            } else if !text.is_empty()
                && !name.starts_with("Observation::")
                && !name.starts_with("mcp_")
                && name.chars().all(|next| next.is_alphanumeric() || matches!(next, '_' | ':'))
            {
                let last = name.rsplit("::").next().unwrap();
                let defined =
                    ["fn ", "struct ", "enum ", "trait "].iter().any(|kind| text.contains(&format!("{kind}{last}")));
                assert!(defined, "docs/design.md: {name} is not in the file before it");
                checked += 1;
            }
        }
    }
    assert!(checked > 15, "{checked}");
}

#[test]
fn every_form_of_import_is_found() {
    let text = "use super::{Context, state::{Clock, End}};\nuse crate::read::message as m;\nfn f() { crate::text::g() }\n// crate::id\n";
    let here = ["exchange".to_owned(), "request".to_owned()];
    let found: Vec<String> = paths(text, &here).iter().map(|path| path.join("::")).collect();
    assert_eq!(
        found,
        ["read::message", "text::g", "exchange::Context", "exchange::state::Clock", "exchange::state::End"]
    );
}

/// The modules under a folder, without tests, each with the modules that it imports beside its ancestors and descendants.
fn imports(source: &Path) -> BTreeMap<Module, BTreeSet<Module>> {
    let texts: BTreeMap<Module, String> = files(source)
        .into_iter()
        .filter_map(|path| {
            let module = module(path.strip_prefix(source).unwrap())?;
            Some((module, std::fs::read_to_string(&path).unwrap()))
        })
        .collect();
    let resolve =
        |path: &[String]| (1..=path.len()).rev().map(|end| path[..end].to_vec()).find(|it| texts.contains_key(it));
    let related = |one: &Module, other: &Module| one.starts_with(other) || other.starts_with(one);
    let imported = |module: &Module, text: &str| {
        let found = paths(text, module).into_iter().filter_map(|path| resolve(&path));
        found.filter(|other| !related(module, other)).collect()
    };
    texts.iter().map(|(module, text)| (module.clone(), imported(module, text))).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// `None` for the crate's root and for what only tests and fuzz targets use.
fn module(path: &Path) -> Option<Module> {
    let mut module: Module = path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    module.pop_if(|last| last == "mod");
    let is_test =
        |part: &String| part.ends_with("tests") || ["testing", "fuzzing", "lib", "main"].contains(&part.as_str());
    (!module.is_empty() && !module.iter().any(is_test)).then_some(module)
}

/// The paths that a file names by `crate::` and `super::`, from the crate's root.
fn paths(text: &str, module: &[String]) -> Vec<Module> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for (at, prefix) in code.match_indices("crate::").chain(code.match_indices("super::")) {
        let starts_word = !code[..at].ends_with(|last: char| last.is_alphanumeric() || matches!(last, '_' | ':'));
        if starts_word {
            let root = if prefix == "crate::" { &[][..] } else { &module[..module.len() - 1] };
            expand(&code[at + prefix.len()..], root, &mut found);
        }
    }
    found
}

/// Follows one path; a brace opens several. Returns what is left of the text.
fn expand<'a>(text: &'a str, prefix: &[String], found: &mut Vec<Module>) -> &'a str {
    let mut path = prefix.to_vec();
    let mut rest = text;
    loop {
        if let Some(mut inner) = rest.strip_prefix('{') {
            loop {
                inner = expand(inner.trim_start(), &path, found).trim_start();
                match inner.strip_prefix(',') {
                    Some(after) if !after.trim_start().starts_with('}') => inner = after,
                    Some(after) => return after.trim_start().trim_start_matches('}'),
                    None => return inner.trim_start_matches(|next: char| next != '}').trim_start_matches('}'),
                }
            }
        }
        let end = rest.find(|next: char| !next.is_alphanumeric() && next != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        match name {
            "super" => drop(path.pop()),
            _ => path.push(name.to_owned()),
        }
        match after.strip_prefix("::") {
            Some(after) => rest = after,
            None => {
                found.push(path);
                return after;
            }
        }
    }
}
