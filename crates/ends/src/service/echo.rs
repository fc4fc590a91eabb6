//! RFC 862.

use super::{Arrival, Client, Output, Service};

/// Sends back what it receives; at the client's FIN, the rest and then its own.
#[derive(Debug, Default)]
pub struct Echo;

impl Service for Echo {
    fn name(&self) -> &'static str {
        "echo"
    }

    fn received<'a>(&mut self, client: Client, arrival: Arrival<'a>, output: &mut Output<'a>) {
        if let Arrival::Bytes(bytes) = arrival {
            output.to(client, bytes);
        }
    }

    fn ended<'a>(&mut self, client: Client, output: &mut Output<'a>) {
        output.close(client);
    }
}
