//! Which VMs follow the links of a server name, so that the last one to stop ends all links and active sessions.
//!
//! Each VM holds a lease and renews it. A VM that traps does not release its lease. Neither does the VM in which Envoy only
//! validates a configuration. That VM never ticks, so the lease before the first tick is short.
//!
//! **What it does not do:** if the last VM traps, or stops while the lease of a validated configuration is valid, its links and
//! active sessions do not end.

use super::{Correlation, Table};
use crate::host::Time;
use crate::shared_data::{append_records, records};
use std::time::Duration;

/// How long a lease is valid. It is renewed after half of that.
const LEASE: Duration = Duration::from_secs(60);
/// How long the lease is valid that a VM takes before its first tick.
const FIRST_LEASE: Duration = Duration::from_secs(2);
/// The lease that was not renewed for longest is evicted.
const MAX_LEASES: usize = 128;
/// The VM, and the time until which the lease is valid.
const LEASE_BYTES: usize = 16;

pub(super) const TABLE: Table = Table { letter: 'v', slots: 1, max_bytes: MAX_LEASES * LEASE_BYTES };

struct Lease {
    vm: u64,
    until: Time,
}

// === impl Lease ===

impl Lease {
    fn from_record(record: &[u8; LEASE_BYTES]) -> Self {
        let record = u128::from_le_bytes(*record);
        Self { vm: record as u64, until: Time((record >> 64) as u64) }
    }

    fn to_record(&self) -> [u8; LEASE_BYTES] {
        (u128::from(self.until.0) << 64 | u128::from(self.vm)).to_le_bytes()
    }
}

// === impl Correlation ===

impl Correlation {
    /// To be called when this VM is configured, and at each tick.
    pub fn renew_lease(&self, now: Time) {
        self.schedule_idle_checks(now);
        let renew_at = self.renew_lease_at.get();
        if renew_at.is_some_and(|renew_at| now < renew_at) {
            return;
        }
        let duration = if renew_at.is_none() { FIRST_LEASE } else { LEASE };
        self.renew_lease_at.set(Some(now.plus(duration / 2)));
        self.replace_lease(now, Some(Lease { vm: self.vm, until: now.plus(duration) }));
    }

    /// This VM stops following links. Returns whether it was the last one.
    pub(crate) fn release_lease(&self, now: Time) -> bool {
        self.has_ended.set(true);
        self.replace_lease(now, None) == Some(0)
    }

    /// Whether this VM stopped following links: it has no more ticks.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    /// Whether a VM remains that can end a session which starts now. This VM may have stopped while its streams are open.
    pub(crate) fn has_live_vm(&self, now: Time) -> bool {
        let is_valid = |record| Lease::from_record(record).until > now;
        !self.has_ended.get() || records(&self.read_bytes(&TABLE, 0), MAX_LEASES).iter().any(is_valid)
    }

    /// Replaces the lease of this VM and drops those that expired. Returns how many other VMs hold one.
    fn replace_lease(&self, now: Time, lease: Option<Lease>) -> Option<usize> {
        let mut others = Vec::new();
        let is_done = self.edit_bytes(&TABLE, 0, &mut |bytes| {
            others.clear();
            for record in records(bytes, MAX_LEASES) {
                let other = Lease::from_record(record);
                if other.vm != self.vm && other.until > now {
                    others.extend_from_slice(record);
                }
            }
            bytes.clone_from(&others);
            if let Some(lease) = &lease {
                append_records::<LEASE_BYTES>(bytes, MAX_LEASES, &lease.to_record());
            }
            true
        });
        is_done.then_some(others.len() / LEASE_BYTES)
    }
}
