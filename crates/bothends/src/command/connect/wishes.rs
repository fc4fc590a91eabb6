//! How to talk: the flags, and the options behind the address, which mean the same.

use std::time::Duration;

use wire::endpoint::UrlOption;
use wire::quantity;

use crate::cli::Families;

/// How to talk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) timeout: Option<Duration>,
    pub(super) linger: Option<Duration>,
    pub(super) send_only: bool,
    pub(super) recv_only: bool,
    pub(super) keep_half_open: bool,
    pub(super) families: Families,
}

impl Wishes {
    /// The options that an address may carry.
    pub(super) const OPTIONS: [&'static str; 5] =
        ["timeout", "linger", "send-only", "recv-only", "keep-half-open"];

    /// With the options of the address; where both say something, the address does, for it is the narrower.
    pub(super) fn with_options(mut self, options: &[UrlOption]) -> Result<Wishes, String> {
        for option in options {
            match option.name.as_str() {
                "timeout" => self.timeout = Some(time(option)?),
                "linger" => self.linger = Some(time(option)?),
                "send-only" => self.send_only = switch(option)?,
                "recv-only" => self.recv_only = switch(option)?,
                "keep-half-open" => self.keep_half_open = switch(option)?,
                _ => {}
            }
        }
        match self.send_only && self.recv_only {
            true => Err("send-only and recv-only exclude each other".to_owned()),
            false => Ok(self),
        }
    }
}

fn time(option: &UrlOption) -> Result<Duration, String> {
    let value = option.value.as_deref().unwrap_or_default();
    quantity::duration(value).map_err(|error| format!("the option {} is {value:?}: {error}", option.name))
}

fn switch(option: &UrlOption) -> Result<bool, String> {
    match &option.value {
        None => Ok(true),
        Some(value) => Err(format!("the option {} takes no value, and {value:?} was given", option.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::endpoint::{Endpoint, Use};

    fn of(address: &str) -> Result<Wishes, String> {
        let endpoint = Endpoint::parse(address, Use::Connect).unwrap();
        Wishes::default().with_options(&endpoint.options)
    }

    #[test]
    fn options_behind_the_address_are_the_long_flags() {
        let wishes = of("h:80?timeout=250ms&linger=2&send-only&keep-half-open").unwrap();
        assert_eq!(
            (wishes.timeout, wishes.linger),
            (Some(Duration::from_millis(250)), Some(Duration::from_secs(2)))
        );
        assert!(wishes.send_only && wishes.keep_half_open && !wishes.recv_only);
    }

    #[test]
    fn wrong_values_are_told_with_the_option() {
        assert_eq!(
            of("h:80?timeout").unwrap_err(),
            "the option timeout is \"\": it has to begin with a number"
        );
        assert!(of("h:80?send-only=yes").unwrap_err().contains("takes no value"));
        assert!(of("h:80?send-only&recv-only").is_err());
    }
}
