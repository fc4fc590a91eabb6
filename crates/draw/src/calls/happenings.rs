//! What happens, in order: segments, calls, and calls that return after a wait.

use flow::calls::Call;
use wire::Time;
use wire::tcp::TcpFlags;

use crate::Style;
use crate::ladder::{Conversation, Part, Programs, Segment, Sending, Step, steps_beside};

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Happening<'a, R> {
    /// On the link.
    Step(Step<'a, R>),
    /// The call of this place is made; it returns at once, or waits.
    Called(usize),
    /// The call of this place returns after a wait.
    Returned(usize),
}

/// All that happens in the order of time. What a call causes comes after it, what ends a wait before its end.
pub(crate) fn happenings<'a, C: Conversation>(
    conversation: &'a C,
    calls: &[Call],
    style: &Style,
) -> Vec<Happening<'a, C::Row>> {
    let mut of_calls: Vec<(Time, Rank, usize)> = Vec::with_capacity(2 * calls.len());
    let mut programs = Programs::default();
    for (place, call) in calls.iter().enumerate() {
        of_calls.push((call.began, Rank::Called, place));
        programs.times[call.side.index()].push(call.began);
        if let Some(ended) = call.ended.filter(|_| call.waited()) {
            of_calls.push((ended, Rank::Returned, place));
            programs.times[call.side.index()].push(ended);
            programs.heard.extend(conversation.ended_by(call).map(|row| (row, ended)));
        }
    }
    of_calls.sort_unstable();
    let mut of_calls = of_calls.into_iter().peekable();
    let called = |(_, rank, place): (Time, Rank, usize)| match rank {
        Rank::Returned => Happening::Returned(place),
        _ => Happening::Called(place),
    };
    let mut all = Vec::new();
    for step in steps_beside(conversation, style, &programs) {
        // What is said of phases and states, the calls say.
        if matches!(step, Step::Phase(_) | Step::States(_)) {
            continue;
        }
        if let Some(time) = step.time() {
            let before = (time, rank(&step), 0);
            all.extend(std::iter::from_fn(|| of_calls.next_if(|call| *call < before)).map(called));
        }
        all.push(Happening::Step(step));
    }
    all.extend(of_calls.map(called));
    all
}

/// The order of what happens at the same instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// What arrives.
    Arrives,
    /// A kernel acknowledges it, before its program hears of it.
    Acknowledged,
    Returned,
    Called,
    /// What is sent because of a call.
    Sent,
}

fn rank<R: Sending>(step: &Step<'_, R>) -> Rank {
    match step {
        Step::Segment(segment) if segment.part == Part::Arrival => Rank::Arrives,
        Step::Segment(segment) if sends(segment) == Sends::Nothing => Rank::Acknowledged,
        Step::Told(_) => Rank::Arrives,
        _ => Rank::Sent,
    }
}

/// What a segment is sent for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sends {
    /// It only acknowledges: no call asked for it.
    Nothing,
    /// It only says that there is more room: something was read.
    Window,
    /// Anything else: there is a call that sends it, at first.
    More,
}

/// What this segment is sent for.
pub(super) fn sends<R: Sending>(segment: &Segment<'_, R>) -> Sends {
    let control = TcpFlags::SYN.0 | TcpFlags::FIN.0 | TcpFlags::RST.0;
    let is_bare = segment.row.flags().is_some_and(|flags| flags.0 & control == 0);
    match is_bare && segment.row.len_bytes() == 0 {
        true if segment.ack_is_news => Sends::Nothing,
        true => Sends::Window,
        false => Sends::More,
    }
}
