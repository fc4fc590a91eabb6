//! Systems that allow no private network, imitated inside an outer user namespace of the test's own.

use kernel::namespace::{self, Ids, Namespace};
use lab::config::Choice;
use lab::event::Backend;
use lab::{Config, NotMade};
use rustix::mount::{MountFlags, mount};
use rustix::process::{Resource, Rlimit};
use wire::refusal::{Refusal, Step};

use crate::left_out::left_out;
use crate::users::{as_nobody, in_child};

const ENOSPC: i32 = 28;
const EAGAIN: i32 = 11;

pub(crate) fn name_the_step() {
    let limits = [
        ("user.max_user_namespaces", Step::UserNamespace),
        ("user.max_mnt_namespaces", Step::MountNamespace),
        ("user.max_pid_namespaces", Step::PidNamespace),
        ("user.max_net_namespaces", Step::NetworkNamespace),
    ];
    if in_child(|| enter_outer_world().expect("a user namespace")) != Some(0) {
        left_out("refusals", "this system really refuses user namespaces");
        return;
    }
    for (sysctl, step) in limits {
        let status = in_child(|| {
            enter_outer_world().expect("it worked before");
            namespace::set_sysctl(sysctl, "0").expect("the limit is the namespace's own");
            let refusal = refusal();
            assert_eq!((refusal.step, refusal.errno), (step, ENOSPC), "{sysctl}");
            let clues = refusal.clues;
            let told = match step {
                Step::UserNamespace => clues.max_user_namespaces,
                Step::MountNamespace => clues.max_mnt_namespaces,
                Step::PidNamespace => clues.max_pid_namespaces,
                _ => clues.max_net_namespaces,
            };
            assert_eq!(told, Some(0), "{sysctl}");
            let own = std::env::current_exe().expect("/proc/self/exe");
            assert_eq!(clues.program.as_deref(), own.to_str());
        });
        assert_eq!(status, Some(0), "{sysctl}");
    }
}

pub(crate) fn enter_outer_world() -> Result<(), i32> {
    let ids = Ids::own();
    namespace::unshare(Namespace::User)?;
    namespace::keep_ids(ids)
}

fn refusal() -> Refusal {
    let mut events = 0;
    let made = lab::run(&Config::default(), &mut |_| events += 1);
    assert_eq!(events, 0, "nothing is told of a lab that was never made");
    match made {
        Err(NotMade::Refused(refusal)) => *refusal,
        other => panic!("{other:?}"),
    }
}

/// A device node that is not there, or may not be opened, is no reason to give up.
pub(crate) fn without_tun_packet_sockets_carry() {
    const ENOENT: i32 = 2;
    let status = in_child(|| {
        if enter_outer_world().and_then(|()| namespace::unshare(Namespace::Mount)).is_err() {
            left_out("a missing TUN device", "this system really refuses user namespaces");
            return;
        }
        if std::fs::exists("/dev/net").unwrap_or_default() {
            let flags = MountFlags::empty();
            mount("tmpfs", "/dev/net", "tmpfs", flags, None::<&std::ffi::CStr>)
                .expect("a place to hide it under");
        }
        let insisting = Config { backend: Choice::Tun, ..Config::default() };
        match lab::run(&insisting, &mut |_| ()) {
            Err(NotMade::Refused(refusal)) => assert_eq!((refusal.step, refusal.errno), (Step::Tun, ENOENT)),
            other => panic!("{other:?}"),
        }
        let outcome = lab::run(&Config::default(), &mut |_| ()).expect("packet sockets need no device");
        assert_eq!(outcome.backend, Backend::Packet);
        assert_eq!(outcome.client.exit, Some(0));
    });
    assert_eq!(status, Some(0));
}

/// An ordinary user may make a number of processes; root has no such limit.
pub(crate) fn full_process_table() {
    as_nobody(|| {
        let none = Rlimit { current: Some(0), maximum: Some(0) };
        rustix::process::setrlimit(Resource::Nproc, none).expect("less is always allowed");
        let refusal = refusal();
        assert_eq!((refusal.step, refusal.errno), (Step::Fork, EAGAIN));
    });
}

/// A lab beside another thread would fork a process that may hang on a lock for ever.
pub(crate) fn threads_are_refused() {
    const EBUSY: i32 = 16;
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || wait.recv());
    let refusal = refusal();
    drop(done);
    other.join().expect("the other thread ends").expect_err("its channel is closed");
    assert_eq!((refusal.step, refusal.errno), (Step::Fork, EBUSY));
}
