//! How many files are open: by this process, and by the whole system.

use explain::evidence::{Descriptors, SystemFiles};
use rustix::process::{Resource, getrlimit};

/// Descriptors of higher numbers are not looked at: this may happen in a server's loop.
const MOST_LOOKED_AT: u32 = 16_384;

/// What this process has open, and how much it may; it opens nothing for that. None without /proc.
pub fn descriptors() -> Option<Descriptors> {
    let limit = getrlimit(Resource::Nofile);
    let soft = limit.current.and_then(|soft| u32::try_from(soft).ok()).unwrap_or(u32::MAX);
    let held = kernel::descriptors::held(soft.min(MOST_LOOKED_AT))?;
    Some(Descriptors {
        sockets: held.sockets,
        pipes: held.pipes,
        files: held.files,
        others: held.others,
        looked_at: held.looked_at,
        soft: limit.current,
        hard: limit.maximum,
    })
}

/// Where the whole system is out of files, only root may open this one.
pub(super) fn of_the_system() -> Option<SystemFiles> {
    system_files(&std::fs::read_to_string("/proc/sys/fs/file-nr").ok()?)
}

/// proc_sys_fs(5): allocated, free (always 0), most.
fn system_files(text: &str) -> Option<SystemFiles> {
    let mut numbers = text.split_whitespace().map(str::parse);
    let (open, _free, most) = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    Some(SystemFiles { open, most })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_numbers_are_read_and_nonsense_is_none() {
        assert_eq!(system_files("2144\t0\t9999\n"), Some(SystemFiles { open: 2144, most: 9999 }));
        assert_eq!((system_files("2144 0"), system_files("a b c")), (None, None));
    }

    #[test]
    fn own_descriptors_are_counted_below_the_limit() {
        let held = descriptors().expect("/proc");
        assert!(held.held() >= 3 && held.looked_at <= MOST_LOOKED_AT, "{held:?}");
    }
}
