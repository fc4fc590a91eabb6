//! RFC 863.

use super::{Appetite, Arrival, Client, Output, Service};

/// Throws away what it receives, uncopied where the engine can, and says nothing.
#[derive(Debug, Default)]
pub struct Discard;

impl Service for Discard {
    fn name(&self) -> &'static str {
        "discard"
    }

    fn appetite(&self) -> Appetite {
        Appetite::CountOnly
    }

    fn received<'a>(&mut self, _: Client, _: Arrival<'a>, _: &mut Output<'a>) {}

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Action;

    #[test]
    fn nothing_is_said_and_the_fin_is_answered() {
        let mut output = Output::new();
        Discard.received(Client(1), Arrival::Count(1 << 40), &mut output);
        assert!(output.is_empty());
        Discard.ended(Client(1), &mut output);
        assert_eq!(output.drain().collect::<Vec<_>>(), [Action::Close(Client(1))]);
    }
}
