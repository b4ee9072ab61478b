//! Which VMs follow the links of a server name, so that the last one to go ends what none will follow any more.
//!
//! Each says so for a while, and again before that is over. A VM that traps goes without a word, and so does the one in which
//! Envoy only tries a configuration; that one never ticks, so the first word holds for a short while. If the last VM traps,
//! or goes within that while, nobody ends what it leaves.

use super::Correlation;
use crate::host::Time;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// For so long a VM's word holds; it is renewed at half.
const LEASE: Duration = Duration::from_secs(60);
/// Before its first tick.
const FIRST_LEASE: Duration = Duration::from_secs(2);
/// Of at most 20 bytes each; the one that was renewed first gives way.
const MAX_VMS: usize = 128;

#[derive(Serialize, Deserialize)]
struct Lease {
    vm: u64,
    until: u64,
}

impl Correlation {
    /// To be called when this VM is configured, and at each tick.
    pub fn renew_lease(&self, now: Time) {
        self.schedule_idle_checks(now);
        let renewed_at = self.lease_renewed_at.get();
        if now.0 < renewed_at {
            return;
        }
        let lease = if renewed_at == 0 { FIRST_LEASE } else { LEASE }.as_nanos() as u64;
        self.lease_renewed_at.set(now.0 + lease / 2);
        self.edit(&self.key('v', 0), |leases: &mut Vec<Lease>| {
            self.keep_others(leases, now);
            if leases.len() >= MAX_VMS {
                leases.remove(0);
            }
            leases.push(Lease { vm: self.vm, until: now.0 + lease });
            (true, ())
        });
    }

    /// This VM goes; whether it was the last.
    pub(crate) fn release_lease(&self, now: Time) -> bool {
        self.is_gone.set(true);
        let is_last = self.edit(&self.key('v', 0), |leases: &mut Vec<Lease>| {
            self.keep_others(leases, now);
            (true, leases.is_empty())
        });
        is_last.unwrap_or(false)
    }

    /// Whether a VM is left that ends what begins now: streams outlive the plugin that saw them begin.
    pub(crate) fn has_live_vm(&self, now: Time) -> bool {
        !self.is_gone.get() || self.read::<Vec<Lease>>(&self.key('v', 0)).iter().any(|lease| lease.until > now.0)
    }

    fn keep_others(&self, leases: &mut Vec<Lease>, now: Time) {
        leases.retain(|lease| lease.vm != self.vm && lease.until > now.0);
    }
}
