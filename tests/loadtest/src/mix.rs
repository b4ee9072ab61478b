//! Which request comes next: 5 % initialize, 30 % tools/list, 40 % tools/call, 15 % resources/list, 10 % resources/read.
//!
//! Requests are dealt from decks of twenty cards, each shuffled by the seed and its number. So the shares are exact after
//! every twenty requests, and a request depends on seed and position alone, however many clients share the work.

use fastrand::Rng;

const DECK: [Kind; 20] = {
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
    /// Ends its session and opens another; where there are no sessions, asks `server/discover`.
    Open,
    ListTools,
    Call,
    ListResources,
    Read,
}

/// One request of the mix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Card {
    pub(crate) kind: Kind,
    /// Chooses the tool or the resource.
    pub(crate) pick: usize,
}

/// The request at `index` of the mix of `seed`.
pub(crate) fn card(seed: u64, index: u64) -> Card {
    let size = DECK.len() as u64;
    // Multiplied so that the decks of neighbouring seeds are not the same ones shifted.
    let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(index / size));
    let mut deck = DECK;
    rng.shuffle(&mut deck);
    let position = (index % size) as usize;
    let pick = (0..=position).map(|_| rng.usize(..)).last().unwrap_or_default();
    Card { kind: deck.get(position).copied().unwrap_or(Kind::ListTools), pick }
}

#[cfg(test)]
mod tests {
    use super::{Kind, card};
    use std::collections::BTreeMap;

    #[test]
    fn shares_are_exact_after_every_deck() {
        for decks in [1, 7] {
            let mut counts = BTreeMap::new();
            for index in 0..decks * 20 {
                *counts.entry(card(3, index).kind).or_insert(0) += 1;
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
        let first = |seed| (0..100).map(|index| card(seed, index)).collect::<Vec<_>>();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
        assert_ne!(first(1)[..20], first(1)[20..40]);
    }

    #[test]
    fn every_tool_is_called() {
        let picked: std::collections::BTreeSet<_> = (0..400).map(|index| card(1, index).pick % 7).collect();
        assert_eq!(picked.len(), 7);
    }
}
