//! What this system says about namespaces: the clues that tell why they are refused.

use std::fs;
use std::path::Path;

use wire::refusal::{Clues, apparmor_profile, seccomp_filter};

/// Reads everything that may explain a refusal. What cannot be read stays absent.
pub fn clues() -> Clues {
    Clues {
        max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
        max_net_namespaces: number("/proc/sys/user/max_net_namespaces"),
        max_pid_namespaces: number("/proc/sys/user/max_pid_namespaces"),
        max_mnt_namespaces: number("/proc/sys/user/max_mnt_namespaces"),
        unprivileged_userns_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
        apparmor_restrict_unprivileged_userns: number(
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        ),
        apparmor_profile: apparmor(),
        selinux_enforcing: number("/sys/fs/selinux/enforce").map(|enforce| enforce == 1),
        seccomp_filter: fs::read_to_string("/proc/self/status").ok().as_deref().and_then(seccomp_filter),
        container: container(),
        program: fs::read_link("/proc/self/exe").ok().map(|path| path.to_string_lossy().into_owned()),
        uid: rustix::process::geteuid().as_raw(),
    }
}

/// Whether the kernel has IPv6, switched on or off.
pub fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6/conf/all/disable_ipv6").exists()
}

/// The effective capabilities of this process, a bit each; none where /proc does not tell.
pub fn capabilities() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or_default()
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The attribute is shared with SELinux, whose labels are no profile names: ask only where AppArmor is on.
fn apparmor() -> Option<String> {
    let on = fs::read_to_string("/sys/module/apparmor/parameters/enabled").ok()?;
    on.starts_with('Y')
        .then(|| fs::read_to_string("/proc/self/attr/current").ok())?
        .and_then(|text| apparmor_profile(&text))
}

/// Docker and podman leave a file in the root; systemd-nspawn and others set `container` for the first process.
fn container() -> Option<String> {
    let marks = [
        ("/.dockerenv", "docker"),
        ("/run/.containerenv", "podman"),
        ("/run/systemd/container", "container"),
    ];
    marks.iter().find(|(mark, _)| Path::new(mark).exists()).map(|(_, kind)| (*kind).to_owned())
}
