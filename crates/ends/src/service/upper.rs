//! Sends back what it receives, in capital letters.

use super::{Arrival, Client, Output, Service};

/// The letters of ASCII as capitals, every other byte as it is; at the client's FIN, the rest and then its own.
#[derive(Debug, Default)]
pub struct Upper;

impl Service for Upper {
    fn name(&self) -> &'static str {
        "upper"
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        if let Arrival::Bytes(bytes) = arrival {
            output.to_owned(client, bytes.to_ascii_uppercase());
        }
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Action;

    #[test]
    fn every_byte_but_small_letters_stays_what_it_is() {
        let mut output = Output::new();
        Upper.received(Client(1), Arrival::Bytes(b"az\0\xc3\xbc{`\n"), &mut output);
        Upper.ended(Client(1), &mut output);
        let actions: Vec<Action<'_>> = output.drain().collect();
        assert_eq!(
            actions,
            [Action::SendOwned(Client(1), b"AZ\0\xc3\xbc{`\n".to_vec()), Action::Close(Client(1))]
        );
    }
}
