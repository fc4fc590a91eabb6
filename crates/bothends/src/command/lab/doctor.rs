//! `lab doctor`: what this system allows, and what to do about the rest. Nothing is guessed: each kind of network is made
//! and taken away again.

use draw::columns::wrap;
use explain::doctor::{Examination, Point};
use kernel::{restrictions, tun};
use lab::config::{Choice, Program};
use lab::event::Backend;
use lab::{Config, NotMade};
use wire::Fault;
use wire::refusal::Refusal;

use crate::exit::Exit;
use crate::narrate;
use crate::out::Out;
use crate::record::Record;

pub(super) fn run(out: &Out) -> Exit {
    let points = match examine() {
        Ok(points) => points,
        Err(fault) => return out.fault(&fault),
    };
    for point in &points {
        out.record(&record(point));
        if !out.json {
            out.print(&shown(point, out.stdout.width));
        }
    }
    // The first is the network itself; the others say why.
    let is_possible = points.first().is_some_and(|point| point.holds);
    out.finish(if is_possible { Exit::Ok } else { Exit::Permission })
}

fn examine() -> Result<Vec<Point>, Fault> {
    let network = probe(Choice::Automatic, 2)?;
    let tun = probe(Choice::Tun, 2)?.err();
    let packet = probe(Choice::Packet, 2)?.err();
    let switch = probe(Choice::Automatic, 3)?.err();
    let clues = restrictions::clues();
    let examination = Examination {
        network: network.as_ref().map(|backend| narrate::backend(*backend)).map_err(|refusal| &**refusal),
        tun: tun.as_deref(),
        packet: packet.as_deref(),
        switch: switch.as_deref(),
        tun_device: tun::may_be_opened().err(),
        has_ipv6: restrictions::has_ipv6(),
        capabilities: restrictions::capabilities(),
        clues: &clues,
    };
    Ok(examination.points())
}

fn probe(backend: Choice, hosts: usize) -> Result<Result<Backend, Box<Refusal>>, Fault> {
    let config = Config { backend, others: vec![Program::Idle; hosts - 2], ..Config::default() };
    match lab::probe(&config) {
        Ok(backend) => Ok(Ok(backend)),
        Err(NotMade::Refused(refusal)) => Ok(Err(refusal)),
        Err(NotMade::Failed(fault)) => Err(fault),
    }
}

/// What was found is wrapped; what to do about it is not, for it may be a command.
fn shown(point: &Point, width: usize) -> String {
    let mut label = format!("{:<16} {:<4} ", point.name, if point.holds { "ok" } else { "no" });
    let mut text = String::new();
    let columns = width.saturating_sub(label.len()).max(20);
    let found = wrap(&point.found, columns);
    for line in found.iter().chain(&point.advice) {
        text.push_str(&format!("{label}{line}\n"));
        label = " ".repeat(label.len());
    }
    text
}

fn record(point: &Point) -> Record {
    let record = Record::new("check").with("name", point.name).with("holds", point.holds);
    let advice = (!point.advice.is_empty()).then(|| point.advice.join("\n"));
    record.with("text", point.found.as_str()).with_some("advice", advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_wrapped_and_commands_are_not() {
        let found = "kernel.apparmor_restrict_unprivileged_userns = 1 and more words behind it".to_owned();
        let advice = vec!["sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0".to_owned()];
        let text = shown(&Point { name: "AppArmor", holds: false, found, advice: advice.clone() }, 60);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("AppArmor         no   kernel."), "{text}");
        assert!(lines[..lines.len() - 1].iter().all(|line| line.len() <= 60), "{text}");
        assert_eq!(lines[lines.len() - 1].trim_start(), advice[0]);
    }
}
