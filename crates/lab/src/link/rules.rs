//! What one direction of the link does to its packets, as values. How they are written: `grammar`.

use std::num::NonZeroU64;
use std::time::Duration;

use wire::quantity::Probability;

/// What one direction does to its packets. The default does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Nothing passes.
    pub cut: bool,
    /// What is larger does not pass.
    pub mtu: Option<Mtu>,
    /// Which packets are lost.
    pub loss: Option<Loss>,
    /// Which packets are damaged.
    pub corrupt: Option<Corrupt>,
    /// How likely each packet arrives twice.
    pub duplicate: Probability,
    /// How many bits pass in a second.
    pub rate: Option<NonZeroU64>,
    /// How much may wait while the line is busy; [`Queue::USUAL`] where none is named. Nothing waits without a rate.
    pub queue: Option<Queue>,
    /// How long each packet is under way.
    pub delay: Delay,
    /// How much longer than that at most; each length is as likely.
    pub jitter: Duration,
    /// Whether packets may overtake each other.
    pub reorder: Reorder,
}

impl Rules {
    /// True where some rule asks the dice, so that every packet has to be counted.
    pub(super) fn need_luck(&self) -> bool {
        let Rules { cut: _, mtu: _, loss, corrupt, duplicate, rate: _, queue: _, delay, jitter, reorder } =
            self;
        loss.is_some()
            || corrupt.is_some()
            || *duplicate != Probability::NEVER
            || delay.tail != Duration::ZERO
            || *jitter != Duration::ZERO
            || matches!(reorder, Reorder::Held { .. })
    }

    /// True where no packet gets through.
    pub(super) fn let_nothing_pass(&self) -> bool {
        self.cut || self.loss.is_some_and(|loss| loss.mean() == Probability::ALWAYS)
    }

    /// How long it takes until a full queue is empty.
    fn full_queue(&self) -> Duration {
        let Some(rate) = self.rate else { return Duration::ZERO };
        let bytes = match self.queue.unwrap_or(Queue::USUAL) {
            Queue::Bytes(bytes) => bytes,
            Queue::Packets(packets) => packets.saturating_mul(USUAL_PACKET),
        };
        Duration::from_millis(bytes.saturating_mul(8000) / rate)
    }

    /// How long a packet is under way at most, but for the rarest of a long tail and the slowest of queues.
    pub fn usual_delay(&self) -> Duration {
        let held = match self.reorder {
            Reorder::Held { by, .. } => by,
            Reorder::Never | Reorder::Jitter => Duration::ZERO,
        };
        // 99 of 100 tails are no longer than nine times the mean.
        [self.delay.tail.saturating_mul(9), self.jitter, held, self.full_queue().min(LONGEST_QUEUE)]
            .into_iter()
            .fold(self.delay.floor, Duration::saturating_add)
    }
}

/// A queue that takes longer to become empty is not waited for.
const LONGEST_QUEUE: Duration = Duration::from_secs(10);
/// Ethernet's packet, in bytes, for queues that count packets.
const USUAL_PACKET: u64 = 1500;

/// The largest packet that passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mtu {
    /// In bytes, IP header included.
    pub bytes: u32,
    /// Whether the sender is not told, as behind a firewall that drops ICMP.
    pub silent: bool,
}

/// Which packets are lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Each with this probability, independently of the others.
    Random(Probability),
    /// Exactly this share, shuffled: the cards of one deck after the other.
    Exact(Probability),
    /// In bursts.
    Bursts {
        /// The share that is lost.
        share: Probability,
        /// How many are lost in a row, in the mean: 2 to 1000.
        length: u32,
    },
    /// Gilbert and Elliott's chain of two states with all its numbers.
    Gilbert {
        /// How likely a packet of the good state is followed by the bad one.
        enter: Probability,
        /// How likely a packet of the bad state is followed by the good one.
        leave: Probability,
        /// How likely a packet of the bad state is lost.
        bad: Probability,
        /// How likely a packet of the good state is lost.
        good: Probability,
    },
}

/// Which packets are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Corrupt {
    /// How likely each packet is.
    pub share: Probability,
    /// Whether the damage is such that the checksum still fits.
    pub unseen: bool,
}

/// How much may wait for the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Queue {
    /// So many bytes of IP packets.
    Bytes(u64),
    /// So many packets.
    Packets(u64),
}

impl Queue {
    /// What a Linux interface lets wait (its txqueuelen).
    pub const USUAL: Queue = Queue::Packets(1000);
}

/// How long a packet is under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Delay {
    /// At least.
    pub floor: Duration,
    /// How much longer in the mean: half of the packets not half of it, one in a hundred nine times as much.
    pub tail: Duration,
}

impl Delay {
    /// Always as long.
    pub fn constant(floor: Duration) -> Delay {
        Delay { floor, tail: Duration::ZERO }
    }
}

/// Whether packets may overtake each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reorder {
    /// They leave in the order in which they entered.
    #[default]
    Never,
    /// What a longer delay holds up is overtaken.
    Jitter,
    /// Some are held back, and those behind them overtake; all others keep their order.
    Held {
        /// How likely each packet is.
        share: Probability,
        /// For how long.
        by: Duration,
    },
}

/// A rule with its value; displayed in the words of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// See [`Rules::cut`].
    Cut,
    /// See [`Rules::mtu`].
    Mtu(Mtu),
    /// See [`Rules::loss`].
    Loss(Loss),
    /// See [`Rules::corrupt`].
    Corrupt(Corrupt),
    /// See [`Rules::duplicate`].
    Duplicate(Probability),
    /// See [`Rules::rate`]; none is without limit.
    Rate(Option<NonZeroU64>),
    /// See [`Rules::queue`].
    Queue(Queue),
    /// See [`Rules::delay`].
    Delay(Delay),
    /// See [`Rules::jitter`].
    Jitter(Duration),
    /// See [`Rules::reorder`].
    Reorder(Reorder),
}

impl Rules {
    /// These rules with another one in place of that of the same kind.
    pub fn set(&mut self, rule: Rule) {
        match rule {
            Rule::Cut => self.cut = true,
            Rule::Mtu(mtu) => self.mtu = Some(mtu),
            Rule::Loss(loss) => self.loss = (!loss.mean_is_zero()).then_some(loss),
            Rule::Corrupt(corrupt) => {
                self.corrupt = (corrupt.share != Probability::NEVER).then_some(corrupt);
            }
            Rule::Duplicate(share) => self.duplicate = share,
            Rule::Rate(rate) => self.rate = rate,
            Rule::Queue(queue) => self.queue = Some(queue),
            Rule::Delay(delay) => self.delay = delay,
            Rule::Jitter(jitter) => self.jitter = jitter,
            Rule::Reorder(reorder) => self.reorder = reorder,
        }
    }

    /// Those that do something, in the order of the table of flags.
    pub fn list(&self) -> Vec<Rule> {
        let some = |wanted: bool, rule: Rule| wanted.then_some(rule);
        [
            some(self.delay != Delay::default(), Rule::Delay(self.delay)),
            some(self.jitter != Duration::ZERO, Rule::Jitter(self.jitter)),
            self.loss.map(Rule::Loss),
            some(self.duplicate != Probability::NEVER, Rule::Duplicate(self.duplicate)),
            self.corrupt.map(Rule::Corrupt),
            some(self.reorder != Reorder::Never, Rule::Reorder(self.reorder)),
            self.rate.map(|rate| Rule::Rate(Some(rate))),
            self.queue.map(Rule::Queue),
            self.mtu.map(Rule::Mtu),
            some(self.cut, Rule::Cut),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
