//! Random numbers that are a function of what they are about: the seed and the words that name the case.
//!
//! A generator with a state would give other numbers as soon as one packet more or less passes. The mixing function is
//! splitmix64's, written out here so that a seed means the same losses in every release, on every machine.

use wire::quantity::Probability;

/// What the decisions about something follow from: a state that the seed and the words so far have led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// Dice that fall as this seed says.
    pub(crate) fn new(seed: u64) -> Dice {
        // Mixed before the first word joins it, or seed 1 with word 2 were seed 2 with word 1.
        Dice { state: mix(seed) }
    }

    /// The dice for a narrower matter, named by these words. The same words lead to the same dice.
    pub(crate) fn about(self, words: &[u64]) -> Dice {
        Dice { state: words.iter().fold(self.state, |state, word| mix(state ^ word)) }
    }

    /// The number that they show: each of the 2^64 is as likely.
    pub(crate) fn number(self) -> u64 {
        self.state
    }

    /// Whether it happens in this matter.
    pub(crate) fn happens(self, probability: Probability) -> bool {
        // The number scaled to 0..1,000,000, without rounding: 0 never, 1,000,000 always happens.
        let scaled = (u128::from(self.state) * 1_000_000) >> 64;
        scaled < u128::from(probability.millionths())
    }
}

/// One step of splitmix64 from this state.
fn mix(state: u64) -> u64 {
    let z = state.wrapping_add(GOLDEN);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 2^64 divided by the golden ratio, odd: splitmix64's step from state to state.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

#[cfg(test)]
mod tests {
    use super::*;

    /// The published first outputs of splitmix64 seeded with 1234567.
    #[test]
    fn it_is_splitmix64() {
        let state = |steps: u64| 1_234_567u64.wrapping_add(GOLDEN.wrapping_mul(steps));
        let outputs = [0, 1, 2, 3, 4].map(|steps| mix(state(steps)));
        assert_eq!(
            outputs,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    /// A seed has to mean the same for ever.
    #[test]
    fn numbers_are_pinned() {
        let dice = Dice::new(7);
        assert_eq!(dice.number(), mix(7));
        let numbers = [&[0][..], &[1], &[1, 2], &[2, 1]].map(|words| dice.about(words).number());
        assert_eq!(
            numbers,
            [
                13_309_476_754_707_697_221,
                4_414_019_431_610_648_415,
                1_650_069_959_653_123_811,
                7_657_004_998_645_395_394,
            ]
        );
    }

    #[test]
    fn seed_and_words_and_their_order_matter() {
        let numbers = [
            Dice::new(1).about(&[2]),
            Dice::new(2).about(&[1]),
            Dice::new(1).about(&[2, 0]),
            Dice::new(1).about(&[0, 2]),
            Dice::new(0).about(&[1, 2]),
        ];
        for (i, number) in numbers.iter().enumerate() {
            assert!(!numbers[..i].contains(number));
        }
    }

    #[test]
    fn a_narrower_matter_is_the_same_in_one_step_or_two() {
        assert_eq!(Dice::new(1).about(&[2]).about(&[3]), Dice::new(1).about(&[2, 3]));
    }

    #[test]
    fn never_never_happens_and_always_always() {
        let dice = |i| Dice::new(3).about(&[i]);
        assert!((0..10_000).all(|i| !dice(i).happens(Probability::NEVER)));
        assert!((0..10_000).all(|i| dice(i).happens(Probability::ALWAYS)));
    }
}
