//! State that all clients share: the address, the timeout and the account.

use crate::connection::Address;
use crate::tally::Tally;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The shared state.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) url: Arc<Address>,
    pub(crate) timeout: Duration,
    tally: Mutex<Tally>,
    /// The last reason that a connection or a stream failed.
    unreachable: Mutex<Option<String>>,
}

// === impl World ===

impl World {
    pub(crate) fn new(url: Address, timeout: Duration) -> Self {
        Self { url: Arc::new(url), timeout, tally: Mutex::default(), unreachable: Mutex::default() }
    }

    /// Reads or changes the counts. All clients run on one thread, so the lock is always free.
    pub(crate) fn tally<T>(&self, with: impl FnOnce(&mut Tally) -> T) -> T {
        with(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn failed_to_open(&self, reason: &str) {
        *self.unreachable.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    pub(crate) fn unreachable(&self) -> Option<String> {
        self.unreachable.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
