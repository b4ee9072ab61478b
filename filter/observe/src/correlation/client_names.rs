//! The names of the clients that this VM saw last, as label values. The operations of a client share its name, so an operation
//! does not allocate for it.
//!
//! **Memory:** at most [`MAX_NAMES`] names, each at most 1 KiB as it was sent and 256 bytes as a label.

use super::Correlation;
use crate::label::client_name;
use crate::text::Text;
use std::rc::Rc;

/// The name that was added first is dropped.
const MAX_NAMES: usize = 8;

/// The name of a client as it was sent, and as a label value; `None` if that is unknown.
pub(super) type SeenName = (Rc<Text>, Option<Rc<str>>);

// === impl Correlation ===

impl Correlation {
    /// The label value of a client's name, at most `max_bytes` long; `None` if it is unknown.
    pub(crate) fn client_label(&self, name: &Rc<Text>, max_bytes: usize) -> Option<Rc<str>> {
        let mut seen = self.client_names.borrow_mut();
        let is_same = |other: &Rc<Text>| Rc::ptr_eq(other, name) || **other == **name;
        if let Some((_, label)) = seen.iter().find(|(other, _)| is_same(other)) {
            return label.clone();
        }
        add(&mut seen, name, max_bytes)
    }
}

#[cold]
fn add(seen: &mut Vec<SeenName>, name: &Rc<Text>, max_bytes: usize) -> Option<Rc<str>> {
    let label: Option<Rc<str>> = client_name(name, max_bytes).map(Rc::from);
    if seen.len() >= MAX_NAMES {
        seen.remove(0);
    }
    seen.push((Rc::clone(name), label.clone()));
    label
}
