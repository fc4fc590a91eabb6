//! The clause about what the path said: ICMP errors.

use std::net::IpAddr;

use flow::{PathErrors, Side};

use crate::number::grouped;

/// `10.0.0.9 told client by ICMP: host unreachable (3 such messages)`; none where the path said nothing.
pub(super) fn clause(errors: &PathErrors, [a, b]: [&str; 2], ends: [IpAddr; 2]) -> Option<String> {
    let first = errors.first.first()?;
    let (about, other, address) = match first.about {
        Side::A => (a, b, ends[1]),
        Side::B => (b, a, ends[0]),
    };
    // The other end itself, or somebody on the way.
    let by = if first.by == address { other.to_owned() } else { first.by.to_string() };
    let most = first.next_hop_mtu.map(|mtu| format!(", at most {} bytes", grouped(mtu.into())));
    let more = match errors.count {
        0 | 1 => String::new(),
        count => format!(" ({} messages in all)", grouped(count)),
    };
    Some(format!("{by} told {about} by ICMP: {}{}{more}", first.meaning, most.unwrap_or_default()))
}
