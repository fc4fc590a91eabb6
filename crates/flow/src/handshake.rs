//! The round trip of the handshake: from a SYN to the segment that answers just that SYN.

use std::time::Duration;

use wire::Time;

/// One SYN that may be answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Syn {
    pub(crate) time: Time,
    /// Its timestamp value, if it carries one.
    pub(crate) timestamp: Option<u32>,
    /// When it arrives, where the link tells.
    pub(crate) arrives: Option<Time>,
}

/// What answers a SYN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) time: Time,
    /// The timestamp that it echoes.
    pub(crate) echo: Option<u32>,
    /// When it arrives, where the link tells.
    pub(crate) arrives: Option<Time>,
    /// The link dropped it.
    pub(crate) lost: bool,
}

/// The SYNs that are waiting for an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handshake {
    /// The last few.
    waiting: Vec<Syn>,
    /// How many were sent since the last answer, lost ones included.
    sent: u32,
    /// The round trip, once measured.
    pub(crate) round_trip: Option<Duration>,
}

/// SYNs remembered; Linux sends 7 by default (tcp_syn_retries 6).
const REMEMBERED: usize = 8;

impl Handshake {
    /// A SYN is sent. One that the link dropped counts, but cannot be answered.
    pub(crate) fn asks(&mut self, syn: Syn, lost: bool) {
        self.sent = self.sent.saturating_add(1);
        if lost {
            return;
        }
        if self.waiting.len() == REMEMBERED {
            self.waiting.remove(0);
        }
        self.waiting.push(syn);
    }

    /// The other side answers. Where it is not certain which SYN it answers nothing is measured (Karn's rule).
    pub(crate) fn answers(&mut self, answer: Answer) {
        let answered = self.answered_by(answer);
        self.waiting.clear();
        self.sent = 0;
        if let Some(syn) = answered.filter(|_| self.round_trip.is_none() && !answer.lost) {
            let seen = answer.arrives.unwrap_or(answer.time);
            // No answer comes before the question: such times are those of two clocks.
            self.round_trip = (seen >= syn.time).then(|| seen.since(syn.time));
        }
    }

    fn answered_by(&self, answer: Answer) -> Option<Syn> {
        let arrived = |syn: &&Syn| syn.arrives.is_some_and(|arrives| arrives <= answer.time);
        if let Some(syn) = self.waiting.iter().rfind(arrived) {
            return Some(*syn);
        }
        if let (1, [syn]) = (self.sent, self.waiting.as_slice()) {
            return Some(*syn).filter(|syn| syn.arrives.is_none());
        }
        let echoed = |syn: &&Syn| syn.timestamp.is_some() && syn.timestamp == answer.echo;
        let mut fitting = self.waiting.iter().filter(echoed);
        fitting.next().copied().filter(|_| fitting.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syn(ms: u64, timestamp: Option<u32>, arrives: Option<u64>) -> Syn {
        Syn { time: Time(ms * 1_000_000), timestamp, arrives: arrives.map(|ms| Time(ms * 1_000_000)) }
    }

    fn answer(ms: u64, echo: Option<u32>, arrives: Option<u64>) -> Answer {
        let arrives = arrives.map(|ms| Time(ms * 1_000_000));
        Answer { time: Time(ms * 1_000_000), echo, arrives, lost: false }
    }

    fn measured(syns: &[Syn], reply: Answer) -> Option<Duration> {
        let mut handshake = Handshake::default();
        syns.iter().for_each(|syn| handshake.asks(*syn, false));
        handshake.answers(reply);
        handshake.round_trip
    }

    #[test]
    fn one_syn_one_answer() {
        assert_eq!(measured(&[syn(0, None, None)], answer(30, None, None)), Some(Duration::from_millis(30)));
    }

    #[test]
    fn repeated_syns_are_told_apart_by_timestamps_only() {
        let plain = [syn(0, None, None), syn(1000, None, None)];
        assert_eq!(measured(&plain, answer(1030, None, None)), None);
        let stamped = [syn(0, Some(7), None), syn(1000, Some(1007), None)];
        assert_eq!(measured(&stamped, answer(1030, Some(1007), None)), Some(Duration::from_millis(30)));
        assert_eq!(measured(&stamped, answer(1030, Some(7), None)), Some(Duration::from_millis(1030)));
        let alike = [syn(0, Some(7), None), syn(1000, Some(7), None)];
        assert_eq!(measured(&alike, answer(1030, Some(7), None)), None);
    }

    #[test]
    fn an_answer_before_the_question_measures_nothing() {
        assert_eq!(measured(&[syn(30, None, None)], answer(0, None, None)), None);
        assert_eq!(measured(&[syn(30, None, None)], answer(30, None, None)), Some(Duration::ZERO));
    }

    #[test]
    fn on_the_link_the_way_back_counts() {
        let syns = [syn(0, None, Some(300))];
        assert_eq!(measured(&syns, answer(300, None, Some(600))), Some(Duration::from_millis(600)));
    }

    #[test]
    fn a_lost_answer_measures_nothing_and_the_next_pair_does() {
        let mut handshake = Handshake::default();
        handshake.asks(syn(0, None, Some(10)), false);
        handshake.answers(Answer { lost: true, ..answer(10, None, None) });
        assert_eq!(handshake.round_trip, None);
        handshake.answers(answer(500, None, Some(510)));
        assert_eq!(handshake.round_trip, None, "that one was sent by a timer");
        handshake.asks(syn(1000, None, Some(1010)), false);
        handshake.answers(answer(1010, None, Some(1020)));
        assert_eq!(handshake.round_trip, Some(Duration::from_millis(20)));
    }
}
