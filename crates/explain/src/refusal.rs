//! Why there is no private network here, and how to allow one: one sentence, or one screen.
//!
//! Read first: user_namespaces(7); Ubuntu's security notes on unprivileged user namespaces; Docker's on seccomp.

use std::fmt::Write as _;

use wire::refusal::{Refusal, Step};
use wire::visible;

use crate::errno::{self, EACCES, EINVAL, ENOSPC, ENOSYS, EPERM};

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Obstacle {
    /// Debian's and hardened kernels' switch.
    Switch,
    /// A limit on the number of namespaces; the sysctl and its value.
    Limit(&'static str, Option<u64>),
    /// Ubuntu's AppArmor: the namespace is made, but without any capability in it.
    AppArmor,
    /// The seccomp filter of a container; its kind.
    Seccomp(Option<String>),
    /// SELinux.
    Selinux,
    /// The kernel was built without.
    Kernel,
    /// Root without capabilities, as in a lab: user id 0 may be mapped only with CAP_SETFCAP (user_namespaces(7), since
    /// Linux 5.12).
    Root,
    /// Nothing that is known.
    Unknown,
}

/// Why, and how to allow it, in one sentence: for the line that `lab` prints when it plays on the simulated network.
pub fn sentence(refusal: &Refusal) -> String {
    let why = why(refusal);
    let remedy = match obstacle(refusal) {
        Obstacle::Switch => "sudo sysctl -w kernel.unprivileged_userns_clone=1".to_owned(),
        Obstacle::Limit(sysctl, _) => format!("sudo sysctl -w {sysctl}=10000"),
        Obstacle::AppArmor => "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0".to_owned(),
        Obstacle::Seccomp(Some(container)) if container != "container" => {
            format!("{container} run --security-opt seccomp=unconfined")
        }
        _ if refusal.clues.uid != 0 => "sudo bothends lab".to_owned(),
        _ => return why,
    };
    format!("{why}; this allows it: {remedy}")
}

/// The whole explanation, at most one screen; it ends with what works without a private network.
pub fn screen(refusal: &Refusal) -> String {
    let who = if refusal.clues.uid == 0 { "even root" } else { "an ordinary user" };
    let mut text = format!("this system does not let {who} make a private network.\n");
    let _ = writeln!(
        text,
        "  {} (failed at: {}, {})",
        why(refusal),
        refusal.step.words(),
        errno::name(refusal.errno)
    );
    text.push_str(&remedy(refusal));
    // Root is under the same limits, filters and kernel.
    let binds_root =
        matches!(obstacle(refusal), Obstacle::Limit(..) | Obstacle::Seccomp(_) | Obstacle::Kernel);
    if refusal.clues.uid != 0 && !binds_root {
        text.push_str("  Or run once with: sudo bothends lab ...\n");
    }
    text.push_str("  Works without it: bothends lab --simulated\n");
    text
}

/// The cause as a clause: "Ubuntu restricts it: sysctl = 1".
pub(crate) fn why(refusal: &Refusal) -> String {
    match obstacle(refusal) {
        Obstacle::Switch => "the kernel's switch is off: kernel.unprivileged_userns_clone = 0".to_owned(),
        Obstacle::Limit(sysctl, Some(value)) => format!("the limit is reached: {sysctl} = {value}"),
        Obstacle::Limit(sysctl, None) => format!("the limit {sysctl} is reached"),
        Obstacle::AppArmor => {
            "Ubuntu restricts it: kernel.apparmor_restrict_unprivileged_userns = 1".to_owned()
        }
        Obstacle::Seccomp(Some(container)) => {
            format!("the seccomp filter of this container ({}) forbids it", visible(&container, false))
        }
        Obstacle::Seccomp(None) => "a seccomp filter on this program forbids it".to_owned(),
        Obstacle::Selinux => "SELinux enforces and denies user_namespace { create }".to_owned(),
        Obstacle::Kernel => "this kernel has no user namespaces".to_owned(),
        Obstacle::Root => {
            "root needs CAP_SETFCAP for it, which programs in a lab and in containers have not".to_owned()
        }
        Obstacle::Unknown => {
            format!("{} failed: {}", refusal.step.words(), errno::words(refusal.errno))
        }
    }
}

/// The remedy, as indented lines.
fn remedy(refusal: &Refusal) -> String {
    let command = |what: &str, line: String| format!("  {what}:\n    {line}\n");
    match obstacle(refusal) {
        Obstacle::Switch => command(
            "Allow it until the next boot",
            "sudo sysctl -w kernel.unprivileged_userns_clone=1".to_owned(),
        ),
        Obstacle::Limit(sysctl, _) => {
            command("Allow it until the next boot", format!("sudo sysctl -w {sysctl}=10000"))
        }
        Obstacle::AppArmor => apparmor_profile(refusal.clues.program.as_deref()),
        Obstacle::Seccomp(Some(container)) => {
            let program = if container == "podman" { "podman" } else { "docker" };
            command(
                "Start the container without that filter",
                format!("{program} run --security-opt seccomp=unconfined ..."),
            )
        }
        Obstacle::Seccomp(None) => "  Start this program from a shell without that filter.\n".to_owned(),
        Obstacle::Selinux => {
            command("See what was denied", "sudo ausearch -m avc -ts recent | grep user_namespace".to_owned())
        }
        Obstacle::Kernel => "  Run a kernel with CONFIG_USER_NS and CONFIG_NET_NS.\n".to_owned(),
        Obstacle::Root => {
            "  An ordinary user needs no capability for it, in a lab of his own as well.\n".to_owned()
        }
        Obstacle::Unknown => String::new(),
    }
}

/// A profile for this program only; it is attached by path, so it needs the real one.
fn apparmor_profile(program: Option<&str>) -> String {
    let program = visible(program.unwrap_or("/path/to/bothends"), false);
    format!(
        "  Fix for this program only (survives reboot):
    sudo tee /etc/apparmor.d/bothends <<'X'
    abi <abi/4.0>,
    include <tunables/global>
    profile bothends \"{program}\" flags=(unconfined) {{ userns, }}
    X
    sudo apparmor_parser -r /etc/apparmor.d/bothends
"
    )
}

/// The judgement, from the narrow signs to the wide ones.
fn obstacle(refusal: &Refusal) -> Obstacle {
    let clues = &refusal.clues;
    let denied = matches!(refusal.errno, EPERM | EACCES);
    let making = matches!(
        refusal.step,
        Step::UserNamespace | Step::MountNamespace | Step::PidNamespace | Step::NetworkNamespace
    );
    if making && refusal.errno == ENOSPC {
        return limit(refusal);
    }
    if making && matches!(refusal.errno, EINVAL | ENOSYS) {
        return Obstacle::Kernel;
    }
    if refusal.step == Step::IdMaps && refusal.errno == EPERM && clues.uid == 0 {
        return Obstacle::Root;
    }
    let userns = refusal.step == Step::UserNamespace;
    if userns && denied && clues.unprivileged_userns_clone == Some(0) {
        return Obstacle::Switch;
    }
    if userns && refusal.errno == EPERM && clues.seccomp_filter == Some(true) {
        return Obstacle::Seccomp(clues.container.clone());
    }
    if denied && clues.apparmor_restrict_unprivileged_userns == Some(1) {
        return Obstacle::AppArmor;
    }
    if userns && refusal.errno == EACCES && clues.selinux_enforcing == Some(true) {
        return Obstacle::Selinux;
    }
    Obstacle::Unknown
}

fn limit(refusal: &Refusal) -> Obstacle {
    let clues = &refusal.clues;
    match refusal.step {
        Step::MountNamespace => Obstacle::Limit("user.max_mnt_namespaces", clues.max_mnt_namespaces),
        Step::PidNamespace => Obstacle::Limit("user.max_pid_namespaces", clues.max_pid_namespaces),
        Step::NetworkNamespace => Obstacle::Limit("user.max_net_namespaces", clues.max_net_namespaces),
        _ => Obstacle::Limit("user.max_user_namespaces", clues.max_user_namespaces),
    }
}

#[cfg(test)]
mod tests;
