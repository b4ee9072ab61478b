//! Reads the fields of a JSON object one by one and stores every problem with its path.

use crate::config::error::Problem;
use serde_json::{Map, Number, Value};

/// Most entries of `paths` and of `extra_methods`.
const MAX_ENTRIES: usize = 64;

/// A value that is not allowed.
pub(super) fn wrong(path: &str, found: &Value, allowed: &str) -> Problem {
    Problem::new(path, format!("{} is not allowed; allowed: {allowed}", short(shown_value(found))))
}

/// The text of a value in a problem; for a list or an object only its type.
fn shown_value(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => shown_number(number),
        Value::String(text) => format!("{text:?}"),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// A number with at most three decimals. The formatting of the standard library and of serde_json adds large tables to
/// the module.
fn shown_number(number: &Number) -> String {
    if let Some(number) = number.as_i64() {
        return number.to_string();
    }
    let value = number.as_f64().unwrap_or_default();
    let sign = if value < 0.0 { "-" } else { "" };
    let thousandths = (value.abs() * 1000.0).round() as u64;
    if thousandths > 10_u64.pow(18) {
        return format!("a number beyond {sign}1e15");
    }
    let decimals = format!("{sign}{}.{:03}", thousandths / 1000, thousandths % 1000);
    decimals.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Long texts are cut, so that the line stays readable in a log.
fn short(text: String) -> String {
    if text.chars().count() > 80 { text.chars().take(77).chain("...".chars()).collect() } else { text }
}

/// A field's name as a problem shows it: quoted if it could be overlooked or contains a line break.
fn shown(name: &str) -> String {
    let is_plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    short(if is_plain { name.to_owned() } else { format!("{name:?}") })
}

/// The fields of one JSON object. They are taken one by one; the fields that remain are unknown.
pub(super) struct Fields {
    prefix: String,
    left: Map<String, Value>,
    known: Vec<&'static str>,
    problems: Vec<Problem>,
}

// === impl Fields ===

impl Fields {
    pub(super) fn new(left: Map<String, Value>) -> Self {
        Self { prefix: String::new(), left, known: Vec::new(), problems: Vec::new() }
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    #[inline(never)]
    pub(super) fn problem(&mut self, name: &str, message: &str) {
        self.problems.push(Problem::new(self.path(name), message));
    }

    pub(super) fn present(&self, name: &str) -> bool {
        self.left.contains_key(name)
    }

    /// A field that is a text, without taking it.
    pub(super) fn peek(&self, name: &str) -> Option<&str> {
        self.left.get(name)?.as_str()
    }

    #[inline(never)]
    pub(super) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.left.remove(name)
    }

    /// Reports a field that is missing. To be called before the field is taken.
    pub(super) fn require(&mut self, name: &str, allowed: &str) {
        if !self.present(name) {
            self.problem(name, &format!("missing; allowed: {allowed}"));
        }
    }

    #[inline(never)]
    fn refuse(&mut self, name: &str, found: &Value, allowed: &str) {
        self.problems.push(wrong(&self.path(name), found, allowed));
    }

    #[inline(never)]
    pub(super) fn text(&mut self, name: &'static str, allowed: &str, is_allowed: fn(&str) -> bool) -> Option<String> {
        match self.take(name)? {
            Value::String(text) if is_allowed(&text) => Some(text),
            other => {
                self.refuse(name, &other, allowed);
                None
            }
        }
    }

    /// Reads a value that is never shown in a problem.
    pub(super) fn secret(
        &mut self,
        name: &'static str,
        shortest: usize,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Option<String> {
        let Value::String(text) = self.take(name)? else {
            self.problem(name, "not a string; allowed: a key, or ${NAME} to take it from the environment");
            return None;
        };
        let variable = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}')).map(str::to_owned);
        let key = match variable {
            None => text,
            Some(variable) => match environment(&variable) {
                Some(value) => value,
                None => {
                    self.problem(name, &format!("the environment variable {variable} is not set"));
                    return None;
                }
            },
        };
        if key.len() < shortest {
            self.problem(name, &format!("{} bytes are too short; allowed: at least {shortest} bytes", key.len()));
            return None;
        }
        Some(key)
    }

    #[inline(never)]
    pub(super) fn texts(
        &mut self,
        name: &'static str,
        allowed: &str,
        is_allowed: fn(&str) -> bool,
    ) -> Option<Vec<String>> {
        let items = match self.take(name)? {
            Value::Array(items) if items.len() <= MAX_ENTRIES => items,
            Value::Array(items) => {
                self.problem(name, &format!("{} entries are too many; allowed: at most {MAX_ENTRIES}", items.len()));
                return None;
            }
            other => {
                self.refuse(name, &other, "a list of strings");
                return None;
            }
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            match item {
                Value::String(text) if is_allowed(&text) => texts.push(text),
                other => self.refuse(&format!("{name}[{index}]"), &other, allowed),
            }
        }
        Some(texts)
    }

    pub(super) fn choice<T: Copy>(&mut self, name: &'static str, choices: &[(&str, T)], target: &mut T) {
        let texts: Vec<&str> = choices.iter().map(|(text, _)| *text).collect();
        if let Some((_, choice)) = self.choice_of(name, &texts).and_then(|index| choices.get(index)) {
            *target = *choice;
        }
    }

    /// [`choice`](Self::choice) compiled once for all of them. Returns the index of the text.
    #[inline(never)]
    fn choice_of(&mut self, name: &'static str, texts: &[&str]) -> Option<usize> {
        let value = self.take(name)?;
        let index = texts.iter().position(|text| value.as_str() == Some(text));
        if index.is_none() {
            let allowed: Vec<_> = texts.iter().map(|text| format!("\"{text}\"")).collect();
            self.refuse(name, &value, &allowed.join(", "));
        }
        index
    }

    #[inline(never)]
    pub(super) fn boolean(&mut self, name: &'static str, target: &mut bool) {
        match self.take(name) {
            None => {}
            Some(Value::Bool(value)) => *target = value,
            Some(other) => self.refuse(name, &other, "true or false"),
        }
    }

    pub(super) fn number<T: TryFrom<u64>>(&mut self, name: &'static str, min: u64, max: u64, target: &mut T) {
        let Some(value) = self.take(name) else { return };
        // Envoy turns a Struct's numbers into doubles, so 200.0 counts as 200.
        let whole = value
            .as_u64()
            .or_else(|| value.as_f64().filter(|number| number.fract() == 0.0).map(|number| number as u64));
        match whole.filter(|number| (min..=max).contains(number)).and_then(|number| T::try_from(number).ok()) {
            Some(number) => *target = number,
            None => self.refuse(name, &value, &format!("a whole number from {min} to {max}")),
        }
    }

    pub(super) fn enter(&mut self, name: &'static str, read: impl FnOnce(&mut Self)) {
        match self.take(name) {
            None => {}
            Some(Value::Object(left)) => self.enter_object(name, left, read),
            Some(other) => self.refuse(name, &other, "an object"),
        }
    }

    /// Reads each object of a list of at least one and at most `max`. `read` gets its index and its fields.
    pub(super) fn objects(&mut self, name: &'static str, max: usize, read: &mut dyn FnMut(usize, &mut Self)) {
        let items = match self.take(name) {
            None => return,
            Some(Value::Array(items)) if (1..=max).contains(&items.len()) => items,
            Some(Value::Array(items)) => {
                return self.problem(name, &format!("{} entries are not allowed; allowed: 1 to {max}", items.len()));
            }
            Some(other) => return self.refuse(name, &other, "a list of objects"),
        };
        for (index, item) in items.into_iter().enumerate() {
            let path = format!("{name}[{index}]");
            match item {
                Value::Object(left) => self.enter_object(&path, left, |fields| read(index, fields)),
                other => self.refuse(&path, &other, "an object"),
            }
        }
    }

    fn enter_object(&mut self, path: &str, left: Map<String, Value>, read: impl FnOnce(&mut Self)) {
        let prefix = format!("{}{path}.", self.prefix);
        let mut inner = Self { prefix, left, known: Vec::new(), problems: Vec::new() };
        read(&mut inner);
        self.problems.extend(inner.finish());
    }

    pub(super) fn finish(mut self) -> Vec<Problem> {
        let allowed = self.known.join(", ");
        let unknown: Vec<String> = self.left.keys().map(|name| shown(name)).collect();
        for name in unknown {
            self.problem(&name, &format!("unknown field; allowed: {allowed}"));
        }
        self.problems
    }
}
