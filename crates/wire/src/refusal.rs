//! Why a private network cannot be made: the step that was refused, the kernel's answer, and what the system says about
//! itself that may explain it. `kernel` gathers, `explain` judges.
//!
//! Read first: user_namespaces(7), namespaces(7), seccomp(2); the sysctls are in the kernel's
//! Documentation/admin-guide/sysctl/{user,kernel}.rst.

use std::fmt;

/// A step on the way to a private network, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Forking.
    Fork,
    /// `unshare(CLONE_NEWUSER)`.
    UserNamespace,
    /// Writing /proc/self/setgroups, uid_map and gid_map.
    IdMaps,
    /// `unshare(CLONE_NEWNS)` and making `/` private.
    MountNamespace,
    /// `unshare(CLONE_NEWPID)`.
    PidNamespace,
    /// `unshare(CLONE_NEWNET)`.
    NetworkNamespace,
    /// Setting a sysctl inside the network namespace without which nothing works.
    Sysctl,
    /// Opening /dev/net/tun and making a device of it. Never the end: packet sockets come next, unless TUN was asked for.
    Tun,
    /// Making a pair of veth devices.
    Veth,
    /// Making a bridge, the switch between more than two hosts.
    Bridge,
    /// Opening a packet socket.
    PacketSocket,
    /// Giving the devices their addresses and taking them up.
    Address,
}

impl Step {
    /// Every step, in order: a step travels between processes as its place here.
    pub const ALL: [Step; 12] = [
        Step::Fork,
        Step::UserNamespace,
        Step::IdMaps,
        Step::MountNamespace,
        Step::PidNamespace,
        Step::NetworkNamespace,
        Step::Sysctl,
        Step::Tun,
        Step::Veth,
        Step::Bridge,
        Step::PacketSocket,
        Step::Address,
    ];

    /// What was tried, as it is named to people: "failed at: WORDS, EPERM".
    pub fn words(self) -> &'static str {
        match self {
            Step::Fork => "starting a process",
            Step::UserNamespace => "making a user namespace",
            Step::IdMaps => "writing uid_map",
            Step::MountNamespace => "making a mount namespace",
            Step::PidNamespace => "making a process namespace",
            Step::NetworkNamespace => "making a network namespace",
            Step::Sysctl => "setting a sysctl of the network namespace",
            Step::Tun => "making a TUN device",
            Step::Veth => "making a pair of veth devices",
            Step::Bridge => "making a bridge",
            Step::PacketSocket => "opening a packet socket",
            Step::Address => "giving an interface its address",
        }
    }

    /// The place in [`Step::ALL`].
    pub fn index(self) -> usize {
        Step::ALL.iter().position(|step| *step == self).unwrap_or_default()
    }
}

/// What the system says about itself. Each is absent where the system has no such thing or does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clues {
    /// `user.max_user_namespaces`: 0 forbids them.
    pub max_user_namespaces: Option<u64>,
    /// `user.max_net_namespaces`.
    pub max_net_namespaces: Option<u64>,
    /// `user.max_pid_namespaces`.
    pub max_pid_namespaces: Option<u64>,
    /// `user.max_mnt_namespaces`.
    pub max_mnt_namespaces: Option<u64>,
    /// `kernel.unprivileged_userns_clone` of Debian and hardened kernels: 0 forbids them to ordinary users.
    pub unprivileged_userns_clone: Option<u64>,
    /// `kernel.apparmor_restrict_unprivileged_userns` of Ubuntu: 1 takes every capability away inside.
    pub apparmor_restrict_unprivileged_userns: Option<u64>,
    /// The AppArmor profile that confines this program.
    pub apparmor_profile: Option<String>,
    /// Whether SELinux is there and enforces.
    pub selinux_enforcing: Option<bool>,
    /// Whether a seccomp filter judges this program's system calls.
    pub seccomp_filter: Option<bool>,
    /// Whether this looks like the inside of a container, and which kind (`docker`, `podman`, `container`).
    pub container: Option<String>,
    /// The program's own file: an AppArmor profile is attached to it.
    pub program: Option<String>,
    /// The user's id.
    pub uid: u32,
}

/// Why there is no private network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused.
    pub step: Step,
    /// The kernel's error number.
    pub errno: i32,
    /// What may explain it.
    pub clues: Clues,
}

/// For logs and tests; people see what `explain` makes of it.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step.words(), std::io::Error::from_raw_os_error(self.errno))
    }
}

impl std::error::Error for Refusal {}

/// Whether the text of /proc/PID/status tells of a seccomp filter: the line `Seccomp:` is 0 (none), 1 (strict) or 2
/// (filter), proc_pid_status(5).
pub fn seccomp_filter(status: &str) -> Option<bool> {
    let line = status.lines().find_map(|line| line.strip_prefix("Seccomp:"))?;
    line.trim().parse().ok().map(|mode: u8| mode == 2)
}

/// The AppArmor profile in the text of /proc/PID/attr/current: `NAME (MODE)`, or `unconfined`, which is none.
pub fn apparmor_profile(current: &str) -> Option<String> {
    let text = current.trim_end_matches(['\n', '\0']);
    let name = text.rsplit_once(" (").map_or(text, |(name, _)| name);
    (!name.is_empty() && name != "unconfined").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_in_its_place() {
        for (place, step) in Step::ALL.into_iter().enumerate() {
            assert_eq!(step.index(), place, "{step:?}");
        }
        assert!(Step::ALL.is_sorted());
    }

    #[test]
    fn seccomp_is_read_from_its_own_line() {
        let status = "NoNewPrivs:\t0\nSeccomp:\t2\nSeccomp_filters:\t1\n";
        assert_eq!(seccomp_filter(status), Some(true));
        assert_eq!(seccomp_filter("Seccomp_filters:\t2\nSeccomp:\t0\n"), Some(false));
        assert_eq!(seccomp_filter("Seccomp:\t1\n"), Some(false));
        assert_eq!(seccomp_filter("Seccomp:\tx\n"), None);
        assert_eq!(seccomp_filter(""), None);
    }

    #[test]
    fn an_apparmor_profile_is_named_without_its_mode() {
        assert_eq!(apparmor_profile("docker-default (enforce)\n").as_deref(), Some("docker-default"));
        assert_eq!(apparmor_profile("/usr/bin/a (b) (complain)").as_deref(), Some("/usr/bin/a (b)"));
        assert_eq!(apparmor_profile("unconfined\n"), None);
        assert_eq!(apparmor_profile("\0"), None);
    }

    #[test]
    fn a_refusal_says_what_and_why() {
        let refusal = Refusal { step: Step::UserNamespace, errno: 28, clues: Clues::default() };
        assert_eq!(refusal.to_string(), "making a user namespace: No space left on device (os error 28)");
    }
}
