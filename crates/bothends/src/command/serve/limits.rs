//! What one client may do.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use clap::Args;
use ends::serve::Limits;
use wire::quantity;

use super::services::message_size;

/// How much one client may send, how fast, and for how long.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What one client may do")]
pub(super) struct LimitFlags {
    #[arg(long, value_name = "SIZE", value_parser = some_size,
          help = "End its session when it has sent more than this in all, such as 10M; no limit by itself.")]
    max_bytes: Option<NonZeroU64>,
    #[arg(long, value_name = "SIZE", value_parser = message_size,
          help = "End its session when a line (collect, chat, reply --frame) or packet is longer than this, such as 4K, and drop longer datagrams; by itself longer lines come in pieces.")]
    pub(super) max_message: Option<NonZeroUsize>,
    #[arg(short, long, value_name = "D", value_parser = some_time,
          help = "End its session when neither end has said anything for this long, such as 30s; never by itself.")]
    idle: Option<Duration>,
    #[arg(long, value_name = "D", value_parser = some_time, help = "End its session after this time, such as 1h, whatever is going on; never by itself.")]
    max_time: Option<Duration>,
    #[arg(long, value_name = "RATE", value_parser = byte_rate,
          help = "Take at most this many bits a second from it, such as 8M, and give it as many; no limit by itself.")]
    rate: Option<u64>,
}

impl LimitFlags {
    /// As the server takes them.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            max_bytes: self.max_bytes.map(NonZeroU64::get),
            max_message: self.max_message.map(NonZeroUsize::get),
            idle: self.idle,
            total: self.max_time,
            bytes_per_s: self.rate,
        }
    }
}

fn some_size(text: &str) -> Result<NonZeroU64, String> {
    let bytes = quantity::size(text).map_err(|error| error.to_string())?;
    NonZeroU64::new(bytes).ok_or_else(|| "it has to be 1 or more".to_owned())
}

fn some_time(text: &str) -> Result<Duration, String> {
    match quantity::duration(text) {
        Ok(Duration::ZERO) => Err("it has to be more than 0".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

/// Bits a second, as bytes.
fn byte_rate(text: &str) -> Result<u64, String> {
    match quantity::rate(text) {
        Ok(bits) if bits < 8 => Err("it has to be 8 bits a second or more".to_owned()),
        Ok(bits) => Ok(bits / 8),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_limit() {
        assert_eq!(LimitFlags::default().limits(), Limits::default());
        assert!(some_size("0").is_err() && some_time("0").is_err() && byte_rate("7").is_err());
        assert!(message_size("0").is_err() && message_size("1G").is_err());
    }

    #[test]
    fn rates_are_bits_and_sizes_bytes() {
        assert_eq!((byte_rate("8M"), some_size("1K").map(NonZeroU64::get)), (Ok(1_000_000), Ok(1024)));
    }
}
