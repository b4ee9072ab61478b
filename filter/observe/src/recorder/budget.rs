//! The label budget: how many values a label may take, and which. The values are the same in all workers.
//!
//! | names | how many |
//! |---|---|
//! | confirmed: the server listed the name, or a call with it succeeded | `limits` of the configuration |
//! | all others | [`UNCONFIRMED`] |
//!
//! A name without room becomes `other`, which counts as overflow.
//!
//! The workers of a process share one [`SharedBudget`] per label. A worker reads it only when it sees a name for the first
//! time, or sees it confirmed for the first time. If there is no room, the worker does not read it again: for confirmed
//! names never, because a confirmed name is never removed; for unconfirmed names until the next tick.
//!
//! **Cost:** a look-up in this VM for a known name. A new name costs one read of the shared data and, if there is room, one
//! write.
//! **Memory:** at most `limit + 20` values of `limits.label_bytes` each, twice, and the copy of the shared budget.

mod shared;

use crate::digest::DigestKey;
use crate::host::SharedData;
use crate::shared_data::{StoredDigest, encode, update};
use rustc_hash::FxHashMap;
use shared::{Place, SharedBudget};

/// How many names without confirmation a label may take: those of probing clients and of typing errors.
pub(crate) const UNCONFIRMED: u16 = 20;

/// One of a label's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    /// The index in [`Budget`].
    Admitted(u16),
    /// There is no room, or the name is missing.
    Other,
}

/// What [`Budget::admit`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) name: Name,
    /// This VM admitted the name now.
    pub(crate) is_new: bool,
    /// The name became `other` because there was no room.
    pub(crate) overflowed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    index: u16,
    confirmed: bool,
}

/// The values of one label in this VM.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// The key of the shared budget in the shared data.
    key: String,
    limit: u16,
    digest_key: DigestKey,
    entries: FxHashMap<Box<str>, Entry>,
    values: Vec<Box<str>>,
    /// The shared budget as it was read last.
    shared_budget: SharedBudget,
    /// Whether the shared budget was read since the last tick.
    is_fresh: bool,
}

// === impl Name ===

impl Name {
    /// The label value of [`Name::Other`].
    pub(super) const OTHER_TEXT: &str = "other";
}

// === impl Admission ===

impl Admission {
    /// There is no room.
    pub(super) const OVERFLOW: Self = Self { name: Name::Other, is_new: false, overflowed: true };

    fn known(index: u16) -> Self {
        Self { name: Name::Admitted(index), is_new: false, overflowed: false }
    }
}

// === impl Budget ===

impl Budget {
    pub(crate) fn new(key: String, limit: u16, digest_key: DigestKey) -> Self {
        Self {
            key,
            limit,
            digest_key,
            entries: FxHashMap::default(),
            values: Vec::new(),
            shared_budget: SharedBudget::default(),
            is_fresh: false,
        }
    }

    /// From now on, unconfirmed names without room are looked up in the shared data again, once.
    pub(crate) fn tick(&mut self) {
        self.is_fresh = false;
    }

    /// The value to use for `text`, which [`clean`](crate::label::clean()) made. Without shared data the budget is this VM's own.
    pub(crate) fn admit(&mut self, text: &str, confirmed: bool, shared: Option<&dyn SharedData>) -> Admission {
        match self.entries.get(text) {
            Some(&Entry { index, confirmed: known }) if known || !confirmed => Admission::known(index),
            Some(&Entry { index, .. }) => self.confirm(text, index, shared),
            None => self.insert(text, confirmed, shared),
        }
    }

    /// A known name is confirmed for the first time.
    #[cold]
    fn confirm(&mut self, text: &str, index: u16, shared: Option<&dyn SharedData>) -> Admission {
        if self.place(text, true, shared) == Place::Confirmed {
            self.entries.insert(text.into(), Entry { index, confirmed: true });
        }
        Admission::known(index)
    }

    /// This VM sees the name for the first time.
    #[cold]
    fn insert(&mut self, text: &str, confirmed: bool, shared: Option<&dyn SharedData>) -> Admission {
        let place = self.place(text, confirmed, shared);
        let index = u16::try_from(self.values.len()).unwrap_or(u16::MAX);
        // The shared budget has no more names than this, unless another program wrote it.
        if place == Place::None || index >= self.limit.saturating_add(UNCONFIRMED) {
            return Admission::OVERFLOW;
        }
        self.entries.insert(text.into(), Entry { index, confirmed: place == Place::Confirmed });
        self.values.push(text.into());
        Admission { name: Name::Admitted(index), is_new: true, overflowed: false }
    }

    /// The label value of a name.
    pub(crate) fn text(&self, name: Name) -> &str {
        match name {
            Name::Admitted(index) => self.values.get(usize::from(index)).map_or(Name::OTHER_TEXT, |value| value),
            Name::Other => Name::OTHER_TEXT,
        }
    }

    /// The place of a name in the shared budget; takes one if there is room.
    fn place(&mut self, text: &str, confirmed: bool, shared: Option<&dyn SharedData>) -> Place {
        let digest = StoredDigest(self.digest_key.digest(text.as_bytes()));
        if let Some(place) = self.shared_budget.find(digest, confirmed, self.limit) {
            // Confirmed names are never removed, so a full budget stays full.
            if place != Place::None || confirmed || self.is_fresh {
                return place;
            }
        }
        let Self { key, limit, shared_budget, is_fresh, .. } = self;
        let Some(shared) = shared else { return shared_budget.take(digest, confirmed, *limit) };
        let found = update(shared, key, |bytes| {
            *shared_budget = SharedBudget::from_bytes(bytes);
            if let Some(place) = shared_budget.find(digest, confirmed, *limit) {
                return (false, place);
            }
            let place = shared_budget.take(digest, confirmed, *limit);
            *bytes = encode(shared_budget);
            (true, place)
        });
        *is_fresh = found.is_some();
        found.unwrap_or_else(|| {
            // The write failed, so the name has no place.
            *shared_budget = SharedBudget::default();
            Place::None
        })
    }
}

#[cfg(test)]
mod tests;
