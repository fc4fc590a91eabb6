//! What a system allows of the lab, point by point: whether it does, what was found, and what to do where it does not.
//!
//! The first point is the one that counts; the others say why, or what else is to be had.

use wire::refusal::{Refusal, Step};

use crate::errno::{self, EACCES, ENOENT, EPERM};
use crate::refusal;

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination<'a> {
    /// What carried a private network of two hosts, in words, or why there was none.
    pub network: Result<&'a str, &'a Refusal>,
    /// The same with TUN devices and nothing else.
    pub tun: Option<&'a Refusal>,
    /// The same with packet sockets and nothing else.
    pub packet: Option<&'a Refusal>,
    /// The same with a switch between three hosts.
    pub switch: Option<&'a Refusal>,
    /// The errno of opening /dev/net/tun, where it may not be.
    pub tun_device: Option<i32>,
    /// Whether the kernel has IPv6.
    pub has_ipv6: bool,
    /// Effective capabilities, a bit each.
    pub capabilities: u64,
    /// What the system says about itself.
    pub clues: &'a wire::refusal::Clues,
}

/// One point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// What it is about.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub holds: bool,
    /// What was found.
    pub found: String,
    /// What to do, a line each; nothing where nothing is to be done.
    pub advice: Vec<String>,
}

impl Examination<'_> {
    /// All points.
    pub fn points(&self) -> Vec<Point> {
        let mut points = vec![self.network(), self.user_namespaces()];
        points.extend(self.switches());
        points.extend([self.tun_device(), self.tun(), self.packet_sockets(), self.switch(), self.ipv6()]);
        points.push(self.capabilities());
        points
    }

    fn network(&self) -> Point {
        match self.network {
            Ok(carried) => point("private network", true, format!("two hosts; {carried}")),
            Err(refusal) => {
                let screen = refusal::screen(refusal);
                let advice = screen.lines().skip(2).map(|line| line.trim_end().to_owned()).collect();
                Point { advice, ..point("private network", false, refusal::why(refusal)) }
            }
        }
    }

    fn user_namespaces(&self) -> Point {
        let refused = self
            .network
            .err()
            .filter(|refusal| matches!(refusal.step, Step::Fork | Step::UserNamespace | Step::IdMaps));
        let limit = match self.clues.max_user_namespaces {
            Some(limit) => format!("user.max_user_namespaces = {limit}"),
            None => "user.max_user_namespaces is not told".to_owned(),
        };
        match refused {
            None => point("user namespaces", true, limit),
            Some(refusal) => {
                let failed =
                    format!("{} failed, {}; {limit}", refusal.step.words(), errno::name(refusal.errno));
                point("user namespaces", false, failed)
            }
        }
    }

    /// What may stand in the way of them.
    fn switches(&self) -> [Point; 4] {
        let clues = self.clues;
        let clone = match clues.unprivileged_userns_clone {
            Some(0) => Point {
                advice: vec!["sudo sysctl -w kernel.unprivileged_userns_clone=1".to_owned()],
                ..point(
                    "userns switch",
                    false,
                    "kernel.unprivileged_userns_clone = 0: root alone may".to_owned(),
                )
            },
            Some(on) => point("userns switch", true, format!("kernel.unprivileged_userns_clone = {on}")),
            None => point("userns switch", true, "none here (kernel.unprivileged_userns_clone)".to_owned()),
        };
        let name = "kernel.apparmor_restrict_unprivileged_userns";
        let apparmor = match clues.apparmor_restrict_unprivileged_userns {
            // With a profile for this program it stands in nobody's way.
            Some(1) if self.network.is_err() => Point {
                advice: vec![
                    "the profile above, or until the next boot:".to_owned(),
                    format!("sudo sysctl -w {name}=0"),
                ],
                ..point("AppArmor", false, format!("{name} = 1"))
            },
            Some(value) => point("AppArmor", true, format!("{name} = {value}")),
            None => point("AppArmor", true, format!("no restriction here ({name})")),
        };
        let selinux = match clues.selinux_enforcing {
            Some(true) => point("SELinux", self.network.is_ok(), "enforces".to_owned()),
            Some(false) => point("SELinux", true, "there, and does not enforce".to_owned()),
            None => point("SELinux", true, "none here".to_owned()),
        };
        let within =
            clues.container.as_ref().map(|kind| format!(", in a container ({kind})")).unwrap_or_default();
        let seccomp = match clues.seccomp_filter {
            Some(true) => {
                point("seccomp", self.network.is_ok(), format!("a filter judges this program{within}"))
            }
            Some(false) => point("seccomp", true, format!("no filter{within}")),
            None => point("seccomp", true, format!("not told{within}")),
        };
        [clone, apparmor, selinux, seccomp]
    }

    fn tun_device(&self) -> Point {
        let instead = "packet sockets are used instead";
        let Some(errno) = self.tun_device else {
            return point("/dev/net/tun", true, "may be opened".to_owned());
        };
        let advice = match errno {
            ENOENT => "sudo modprobe tun",
            EACCES | EPERM => "sudo chmod 0666 /dev/net/tun",
            _ => "",
        };
        Point {
            advice: Some(advice.to_owned()).into_iter().filter(|advice| !advice.is_empty()).collect(),
            ..point("/dev/net/tun", false, format!("{}; {instead}", errno::words(errno)))
        }
    }

    fn tun(&self) -> Point {
        worked("TUN devices", self.tun, "carry the packets of two hosts")
    }

    fn packet_sockets(&self) -> Point {
        worked("packet sockets", self.packet, "carry them where TUN devices cannot")
    }

    fn switch(&self) -> Point {
        worked("a switch", self.switch, "joins up to eight hosts")
    }

    fn ipv6(&self) -> Point {
        let found = if self.has_ipv6 {
            "the hosts have it beside IPv4"
        } else {
            "this kernel has none: the hosts have IPv4 only"
        };
        point("IPv6", self.has_ipv6, found.to_owned())
    }

    /// None are needed.
    fn capabilities(&self) -> Point {
        let found = match self.capabilities.count_ones() {
            0 => "none, and none are needed".to_owned(),
            some => format!("{some} here; none are needed, and the commands have none"),
        };
        point("capabilities", true, found)
    }
}

fn worked(name: &'static str, refusal: Option<&Refusal>, yes: &str) -> Point {
    match refusal {
        None => point(name, true, yes.to_owned()),
        Some(refusal) => {
            point(name, false, format!("failed at: {}, {}", refusal.step.words(), errno::name(refusal.errno)))
        }
    }
}

fn point(name: &'static str, holds: bool, found: String) -> Point {
    Point { name, holds, found, advice: Vec::new() }
}

#[cfg(test)]
mod tests {
    use wire::refusal::Clues;

    use super::*;

    fn holds(points: &[Point], name: &str) -> bool {
        points.iter().find(|point| point.name == name).expect(name).holds
    }

    fn good(clues: &Clues) -> Examination<'_> {
        Examination {
            network: Ok("TUN devices carry the packets"),
            tun: None,
            packet: None,
            switch: None,
            tun_device: None,
            has_ipv6: true,
            capabilities: 0,
            clues,
        }
    }

    #[test]
    fn where_all_is_well_nothing_is_to_be_done() {
        let points = good(&Clues::default()).points();
        assert!(points.iter().all(|point| point.holds && point.advice.is_empty()), "{points:#?}");
    }

    #[test]
    fn what_is_refused_is_named_with_its_remedy() {
        let clues = Clues { unprivileged_userns_clone: Some(0), uid: 1000, ..Clues::default() };
        let refusal = Refusal { step: Step::UserNamespace, errno: EPERM, clues: clues.clone() };
        let points = Examination { network: Err(&refusal), tun: Some(&refusal), ..good(&clues) }.points();
        assert!(!holds(&points, "private network") && !holds(&points, "user namespaces"));
        assert!(!holds(&points, "userns switch") && !holds(&points, "TUN devices"));
        let advice = &points[0].advice;
        assert!(
            advice.iter().any(|line| line.contains("sysctl -w kernel.unprivileged_userns_clone=1")),
            "{advice:?}"
        );
    }

    #[test]
    fn a_device_that_is_not_to_be_opened_is_no_obstacle() {
        let clues = Clues::default();
        let points = Examination { tun_device: Some(EACCES), ..good(&clues) }.points();
        assert!(holds(&points, "private network") && !holds(&points, "/dev/net/tun"));
    }
}
