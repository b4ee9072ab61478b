//! The mix of requests: 5 % initialize, 30 % tools/list, 40 % tools/call, 15 % resources/list, 10 % resources/read.
//!
//! Requests come in groups of twenty, which have these shares exactly. The seed and the number of a group give its order. So a
//! request depends only on the seed and its position, not on the number of clients.

use fastrand::Rng;

const GROUP: [Kind; 20] = {
    use Kind::{Call, ListResources, ListTools, Open, Read};
    [
        Open,
        ListTools,
        ListTools,
        ListTools,
        ListTools,
        ListTools,
        ListTools,
        Call,
        Call,
        Call,
        Call,
        Call,
        Call,
        Call,
        Call,
        ListResources,
        ListResources,
        ListResources,
        Read,
        Read,
    ]
};

/// The next action of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Ends the session and opens another; `server/discover` if the protocol version has no sessions.
    Open,
    ListTools,
    Call,
    ListResources,
    Read,
}

/// One request of the mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) kind: Kind,
    /// A random number that selects the tool or the resource.
    pub(crate) pick: usize,
}

/// The request at `index` of the mix of `seed`.
pub(crate) fn action(seed: u64, index: u64) -> Action {
    let size = GROUP.len() as u64;
    // Multiplied, so that the groups of consecutive seeds are not the same ones in another place.
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(index / size));
    let mut group = GROUP;
    rng.shuffle(&mut group);
    let position = (index % size) as usize;
    let pick = (0..=position).map(|_| rng.usize(..)).last().unwrap_or_default();
    Action { kind: group.get(position).copied().unwrap_or(Kind::ListTools), pick }
}

#[cfg(test)]
mod tests {
    use super::{Kind, action};
    use std::collections::BTreeMap;

    #[test]
    fn shares_are_exact_after_every_deck() {
        for decks in [1, 7] {
            let mut counts = BTreeMap::new();
            for index in 0..decks * 20 {
                *counts.entry(action(3, index).kind).or_insert(0) += 1;
            }
            let expected = [
                (Kind::Open, decks),
                (Kind::ListTools, 6 * decks),
                (Kind::Call, 8 * decks),
                (Kind::ListResources, 3 * decks),
                (Kind::Read, 2 * decks),
            ];
            assert_eq!(counts, BTreeMap::from(expected));
        }
    }

    #[test]
    fn same_seed_gives_same_mix() {
        let first = |seed| (0..100).map(|index| action(seed, index)).collect::<Vec<_>>();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
        assert_ne!(first(1)[..20], first(1)[20..40]);
    }

    #[test]
    fn every_tool_is_called() {
        let picked: std::collections::BTreeSet<_> = (0..400).map(|index| action(1, index).pick % 7).collect();
        assert_eq!(picked.len(), 7);
    }
}
