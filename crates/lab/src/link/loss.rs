//! The models of loss: which packets of a series a rule takes.
//!
//! Each is a pure function of the dice and of a packet's place in its series (the n-th datagram, the n-th bucket of a
//! stream), so that nothing depends on what else passes. What is sent again has no place in a series; it meets the mean.

use wire::quantity::Probability;

use super::dice::Dice;
use super::fate::Turn;
use super::rules::Loss;

/// The words of these matters, behind those of the series.
const DECK: u64 = 1 << 32;
const STATE: u64 = DECK + 1;
const FIRST_STATE: u64 = DECK + 2;

/// A million: what probabilities are counted in.
const MILLION: u64 = 1_000_000;
/// The fewest cards of a deck, so that what is lost is not foreseen.
const LEAST_DECK: u64 = 100;

impl Loss {
    /// Whether it takes the packet whose turn it is; `dice` are the rule's own for it.
    pub(super) fn takes(&self, turn: &Turn, dice: Dice) -> bool {
        match (self, turn.place) {
            (Loss::Random(share), _) => dice.happens(*share),
            (_, None) => dice.happens(self.mean()),
            (Loss::Exact(share), Some(place)) => is_marked(*share, turn.series, place),
            (Loss::Bursts { .. } | Loss::Gilbert { .. }, Some(place)) => {
                let chain = Chain::of(self);
                let lost = if chain.is_bad(turn.series, place) { chain.bad } else { chain.good };
                dice.happens(lost)
            }
        }
    }

    /// The share that is lost in the long run.
    pub fn mean(&self) -> Probability {
        match self {
            Loss::Random(share) | Loss::Exact(share) | Loss::Bursts { share, .. } => *share,
            Loss::Gilbert { enter, leave, bad, good } => {
                let [enter, leave, bad, good] = [enter, leave, bad, good].map(|p| u64::from(p.millionths()));
                let mean = (enter * bad + leave * good) / (enter + leave).max(1);
                u32::try_from(mean).ok().and_then(Probability::from_millionths).unwrap_or(Probability::ALWAYS)
            }
        }
    }

    pub(super) fn mean_is_zero(&self) -> bool {
        match self {
            Loss::Gilbert { bad, good, .. } => [bad, good].map(|p| p.millionths()) == [0, 0],
            _ => self.mean() == Probability::NEVER,
        }
    }
}

/// Whether the card at this place of a shuffled deck is one of those that are lost. A deck is no larger than it takes to
/// make the share come out whole: 100 cards for 5 %, 10,000 for 0.01 %.
fn is_marked(share: Probability, series: Dice, place: u64) -> bool {
    let millionths = u64::from(share.millionths());
    let smallest = MILLION / greatest_common_divisor(millionths, MILLION);
    let cards = smallest * LEAST_DECK.div_ceil(smallest);
    let marked = millionths * cards / MILLION;
    let deck = series.about(&[DECK, place / cards]);
    shuffled(deck, cards, place % cards) < marked
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Where a card lies after shuffling: a permutation of `0..cards` that needs no memory. A Feistel network permutes the
/// numbers of an even count of bits; what falls outside is sent through again until it falls inside.
fn shuffled(deck: Dice, cards: u64, card: u64) -> u64 {
    const ROUNDS: u64 = 6;
    let bits = (u64::BITS - cards.saturating_sub(1).leading_zeros()).max(2);
    let half = bits.div_ceil(2);
    let mask = (1 << half) - 1;
    let mut number = card;
    loop {
        let (mut left, mut right) = (number >> half, number & mask);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ (deck.about(&[round, right]).number() & mask));
        }
        number = left << half | right;
        if number < cards {
            return number;
        }
    }
}

/// Gilbert and Elliott's two states, as thresholds for a number of 64 bits.
struct Chain {
    /// A number below this leads into the bad state.
    bad_below: u64,
    /// A number from here on leads into the good state.
    good_from: u64,
    /// The same for the state before the first packet.
    bad_first: u64,
    bad: Probability,
    good: Probability,
}

impl Chain {
    fn of(loss: &Loss) -> Chain {
        let whole = 1u128 << 64;
        let scaled = |numerator: u64, denominator: u64| {
            u64::try_from(u128::from(numerator) * whole / u128::from(denominator.max(1))).unwrap_or(u64::MAX)
        };
        match *loss {
            Loss::Gilbert { enter, leave, bad, good } => {
                let [enter, leave] = [enter, leave].map(|p| u64::from(p.millionths()));
                let good_from = u64::MAX - scaled(leave, MILLION);
                let bad_first = scaled(enter, enter + leave);
                Chain { bad_below: scaled(enter, MILLION), good_from, bad_first, bad, good }
            }
            Loss::Bursts { share, length } => {
                // The states' shares are as their changes are rare: share : 1 - share = enter : leave.
                let (lost, length) = (u64::from(share.millionths()), u64::from(length.max(1)));
                let bad_below = scaled(lost, length * (MILLION - lost).max(1));
                let good_from = u64::MAX - scaled(1, length);
                let (bad, good) = (Probability::ALWAYS, Probability::NEVER);
                Chain { bad_below, good_from, bad_first: scaled(lost, MILLION), bad, good }
            }
            Loss::Random(share) | Loss::Exact(share) => {
                Chain { bad_below: 0, good_from: 0, bad_first: 0, bad: share, good: share }
            }
        }
    }

    /// The state at a place of the series: what the last number before it said that led into either state. The grammar
    /// keeps the two ranges apart and one of them at a thousandth at least, so the search is short.
    fn is_bad(&self, series: Dice, place: u64) -> bool {
        for earlier in (0..=place).rev() {
            let number = series.about(&[STATE, earlier]).number();
            if number < self.bad_below {
                return true;
            }
            if number > self.good_from {
                return false;
            }
        }
        series.about(&[FIRST_STATE]).number() < self.bad_first
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn share(millionths: u32) -> Probability {
        Probability::from_millionths(millionths).unwrap()
    }

    fn fates(loss: Loss, seed: u64, count: u64) -> Vec<bool> {
        let series = Dice::new(seed);
        let fate = |place| {
            let dice = series.about(&[place]);
            loss.takes(&Turn { dice, series, place: Some(place), spared: false }, dice.about(&[77]))
        };
        (0..count).map(fate).collect()
    }

    fn lost(fates: &[bool]) -> usize {
        fates.iter().filter(|lost| **lost).count()
    }

    proptest! {
        #[test]
        fn shuffling_is_a_permutation(seed: u64, cards in 1u64..600) {
            let places: BTreeSet<u64> = (0..cards).map(|card| shuffled(Dice::new(seed), cards, card)).collect();
            prop_assert_eq!(places.len() as u64, cards);
            prop_assert_eq!(places.last().copied(), Some(cards - 1));
        }

        /// Error 0 over every whole number of decks, for shares of any fineness.
        #[test]
        fn an_exact_share_is_exact(seed: u64, percent in 0u32..=100, decks in 1usize..40) {
            let fates = fates(Loss::Exact(share(percent * 10_000)), seed, decks as u64 * 100);
            prop_assert_eq!(lost(&fates), decks * percent as usize);
        }
    }

    #[test]
    fn fine_shares_come_out_whole_too() {
        for (millionths, cards) in [(100, 10_000), (5_000, 200), (333_333, 1_000_000), (1, 1_000_000)] {
            let fates = fates(Loss::Exact(share(millionths)), 3, cards);
            assert_eq!(lost(&fates) as u64, u64::from(millionths) * cards / MILLION, "{millionths}");
        }
    }

    #[test]
    fn two_decks_are_shuffled_differently() {
        let fates = fates(Loss::Exact(share(100_000)), 1, 200);
        assert_ne!(fates[..100], fates[100..]);
    }

    /// The lengths of what is lost in a row.
    fn bursts(fates: &[bool]) -> Vec<usize> {
        fates.split(|lost| !lost).map(<[bool]>::len).filter(|length| *length > 0).collect()
    }

    #[test]
    fn bursts_have_the_mean_share_and_the_mean_length() {
        for (percent, length) in [(1, 3), (5, 8), (5, 2), (30, 20), (20, 100)] {
            let loss = Loss::Bursts { share: share(percent * 10_000), length };
            for seed in [1, 7] {
                let fates = fates(loss, seed, 500_000);
                let mean = lost(&fates) as f64 / fates.len() as f64 * 100.0;
                let bursts = bursts(&fates);
                let mean_length = bursts.iter().sum::<usize>() as f64 / bursts.len() as f64;
                // Three sigma of a mean over so many bursts of geometric length.
                let tolerance = 3.0 * 1.5 / (bursts.len() as f64).sqrt();
                assert!(
                    (mean / f64::from(percent) - 1.0).abs() < tolerance,
                    "{percent} %, {length}: {mean} %"
                );
                assert!((mean_length / f64::from(length) - 1.0).abs() < tolerance, "{length}: {mean_length}");
            }
        }
    }

    #[test]
    fn a_chain_of_two_lossy_states_has_its_mean() {
        let [enter, leave, bad, good] = [10_000, 90_000, 500_000, 10_000].map(share);
        let loss = Loss::Gilbert { enter, leave, bad, good };
        assert_eq!(loss.mean(), share(59_000));
        let count: usize = (0..8).map(|seed| lost(&fates(loss, seed, 250_000))).sum();
        // A state lasts, so packets are no independent draws. The correlation of neighbours is 1 - 1 % - 9 % = 0.9,
        // which makes the variance of the time in the bad state 1.9 / 0.1 times as large; there the half is lost.
        let draws = 2_000_000.0;
        let of_states = draws * 0.1 * 0.9 * 19.0 * 0.49 * 0.49;
        let of_losses = draws * 0.059;
        let sigma = f64::sqrt(of_states + of_losses);
        assert!((count as f64 - draws * 0.059).abs() < 3.0 * sigma, "{count}, sigma {sigma}");
    }

    #[test]
    fn what_has_no_place_meets_the_mean() {
        let loss = Loss::Bursts { share: share(200_000), length: 10 };
        let series = Dice::new(9);
        let taken = (0..100_000u64)
            .filter(|i| {
                loss.takes(&Turn { dice: series, series, place: None, spared: false }, series.about(&[*i]))
            })
            .count();
        assert!(taken.abs_diff(20_000) < 400, "{taken}");
    }
}
