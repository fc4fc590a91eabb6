//! Every row of the table of refusals, word for word.

use wire::refusal::Clues;

use super::*;

fn refused(step: Step, errno: i32, clues: Clues) -> Refusal {
    Refusal { step, errno, clues: Clues { uid: 1000, ..clues } }
}

fn ubuntu() -> Refusal {
    let clues = Clues {
        apparmor_restrict_unprivileged_userns: Some(1),
        program: Some("/home/ada/.cargo/bin/bothends".to_owned()),
        ..Clues::default()
    };
    refused(Step::IdMaps, EPERM, clues)
}

fn docker() -> Refusal {
    let clues =
        Clues { seccomp_filter: Some(true), container: Some("docker".to_owned()), ..Clues::default() };
    refused(Step::UserNamespace, EPERM, clues)
}

#[test]
fn ubuntu_gets_a_profile_for_its_own_path() {
    assert_eq!(
        screen(&ubuntu()),
        "this system does not let an ordinary user make a private network.
  Ubuntu restricts it: kernel.apparmor_restrict_unprivileged_userns = 1 (failed at: writing uid_map, EPERM)
  Fix for this program only (survives reboot):
    sudo tee /etc/apparmor.d/bothends <<'X'
    abi <abi/4.0>,
    include <tunables/global>
    profile bothends \"/home/ada/.cargo/bin/bothends\" flags=(unconfined) { userns, }
    X
    sudo apparmor_parser -r /etc/apparmor.d/bothends
  Or run once with: sudo bothends lab ...
  Works without it: bothends lab --simulated
"
    );
    assert_eq!(
        sentence(&ubuntu()),
        "Ubuntu restricts it: kernel.apparmor_restrict_unprivileged_userns = 1; \
         this allows it: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    );
}

#[test]
fn a_limit_names_the_sysctl_of_the_step() {
    let none = Clues { max_user_namespaces: Some(0), ..Clues::default() };
    let few = Clues { max_net_namespaces: Some(3), ..Clues::default() };
    assert_eq!(
        screen(&refused(Step::UserNamespace, ENOSPC, none)),
        "this system does not let an ordinary user make a private network.
  the limit is reached: user.max_user_namespaces = 0 (failed at: making a user namespace, ENOSPC)
  Allow it until the next boot:
    sudo sysctl -w user.max_user_namespaces=10000
  Works without it: bothends lab --simulated
"
    );
    assert_eq!(
        sentence(&refused(Step::NetworkNamespace, ENOSPC, few)),
        "the limit is reached: user.max_net_namespaces = 3; \
         this allows it: sudo sysctl -w user.max_net_namespaces=10000"
    );
}

#[test]
fn a_container_needs_to_be_started_otherwise_and_sudo_does_not_help() {
    assert_eq!(
        screen(&docker()),
        "this system does not let an ordinary user make a private network.
  the seccomp filter of this container (docker) forbids it (failed at: making a user namespace, EPERM)
  Start the container without that filter:
    docker run --security-opt seccomp=unconfined ...
  Works without it: bothends lab --simulated
"
    );
    let alone = refused(Step::UserNamespace, EPERM, Clues { seccomp_filter: Some(true), ..Clues::default() });
    assert!(screen(&alone).contains("a seccomp filter on this program forbids it"));
}

#[test]
fn the_other_obstacles_are_told_apart() {
    let switch = Clues { unprivileged_userns_clone: Some(0), ..Clues::default() };
    let selinux = Clues { selinux_enforcing: Some(true), ..Clues::default() };
    let told = [
        (refused(Step::UserNamespace, EPERM, switch), "the kernel's switch is off"),
        (refused(Step::UserNamespace, EACCES, selinux), "SELinux enforces"),
        (refused(Step::UserNamespace, EINVAL, Clues::default()), "this kernel has no user namespaces"),
        (refused(Step::UserNamespace, ENOSYS, Clues::default()), "this kernel has no user namespaces"),
        (refused(Step::Veth, ENOSYS, Clues::default()), "making a pair of veth devices failed: function not"),
    ];
    for (refusal, why) in told {
        assert!(screen(&refusal).contains(why), "{}", screen(&refusal));
        assert!(sentence(&refusal).contains(why), "{}", sentence(&refusal));
    }
}

#[test]
fn every_explanation_fits_a_screen_and_ends_with_what_works() {
    for step in Step::ALL {
        for errno in [EPERM, EACCES, ENOSPC, EINVAL, ENOSYS] {
            for base in [ubuntu(), docker()] {
                let text = screen(&Refusal { step, errno, ..base });
                assert!(text.lines().count() <= 24, "{text}");
                assert!(text.ends_with("  Works without it: bothends lab --simulated\n"), "{text}");
            }
        }
    }
}

#[test]
fn root_is_not_told_to_use_sudo() {
    let mut refusal = refused(Step::UserNamespace, EPERM, Clues::default());
    refusal.clues.uid = 0;
    assert!(!screen(&refusal).contains("sudo bothends"));
    assert!(!sentence(&refusal).contains("sudo"));
}
