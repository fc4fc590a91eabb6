//! What happened: follows conversations from their frames and says in which state each end was, what was lost and sent
//! again, who closed.
//!
//! Pure and bounded: time comes with each frame, memory is limited by [`Limits`]. The same code follows a capture file,
//! the lab's link and the simulated network, so that their pictures cannot differ.
//!
//! [`Tracker`] finds the conversation of each frame (`tracker`, `idle`). `following` places the segment in it, lets its
//! sender receive what `transit` has for it, and moves the sender; `end` is one end's state, moved by the steps of
//! `machine` and by what `sent`, `received` and `ranges` remember. `opening`, `outcome`, `handshake` and `findings` tell
//! the rest of a [`Flow`]. `path` reads from its rows the way of each end through the states, whose arrows stand in
//! `diagram`. `analysis` stands beside all that: what Wireshark says of each segment.
//!
//! [`buffers`] reads from the rows how both buffers of one direction stood at each moment; [`calls`] sets the programs'
//! calls beside them; [`transfer`] sums up how one direction went. A [`Scene`] is what is shown of all that.
//!
//! [`reassembly`] puts the bytes of one direction back in order; who wants them takes the positions from the tracker.

mod analysis;
mod backwards;
pub mod buffers;
pub mod calls;
mod choice;
mod conversation;
mod datagrams;
pub mod diagram;
mod end;
mod findings;
mod following;
mod frame;
mod handout;
mod handshake;
mod idle;
mod machine;
pub mod moments;
mod opening;
mod outcome;
pub mod path;
mod path_error;
mod ranges;
pub mod reassembly;
mod received;
mod scene;
#[cfg(test)]
mod script;
mod segment;
mod sent;
mod sequence;
mod slots;
mod state;
mod tracker;
pub mod transfer;
mod transit;
mod waiting;

pub use analysis::{AnalysisFlags, Completeness};
pub use backwards::Backwards;
pub use choice::{Choice, NoPart, Part, Protocol};
pub use conversation::{
    ClosedBy, Closing, Finding, FindingId, Flow, Limits, Phase, Resent, RoundTrips, Row, Rows, Side,
    SideTotals,
};
pub use datagrams::{DatagramFlow, DatagramRow, DatagramTotals};
pub use frame::{Belongs, DatagramPlacement, Frame, Placement};
pub use handout::{Departed, HandedRow};
pub use path_error::{PathError, PathErrors};
pub use scene::{Material, Scene};
pub use state::State;
pub use tracker::{Counters, Tracker};
