//! Open files, counted: those of a process, and those of the whole system.

/// The descriptors of this process, and how many it may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptors {
    /// Sockets.
    pub sockets: u32,
    /// Pipes.
    pub pipes: u32,
    /// Files and devices.
    pub files: u32,
    /// What has no file: epoll(7), signalfd(2) and their like.
    pub others: u32,
    /// Only numbers below this were looked at.
    pub looked_at: u32,
    /// `RLIMIT_NOFILE`, the soft limit; none: no limit.
    pub soft: Option<u64>,
    /// The hard limit, up to which anybody may raise the soft one.
    pub hard: Option<u64>,
}

/// The open files of the whole system: proc_sys_fs(5), `file-nr`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemFiles {
    /// How many are open.
    pub open: u64,
    /// How many may be: `fs.file-max`.
    pub most: u64,
}

impl Descriptors {
    /// How many there are among those that were looked at.
    pub fn held(&self) -> u64 {
        [self.sockets, self.pipes, self.files, self.others].into_iter().map(u64::from).sum()
    }

    /// `58 sockets, 3 pipes, 2 files and 1 of another kind`; `none` where there are none.
    pub fn by_sort(&self) -> String {
        let sorts = [
            (self.sockets, "socket", "sockets"),
            (self.pipes, "pipe", "pipes"),
            (self.files, "file", "files"),
            (self.others, "of another kind", "of other kinds"),
        ];
        let words = sorts.iter().filter(|(count, ..)| *count > 0);
        let words: Vec<String> = words
            .map(|(count, one, more)| format!("{count} {}", if *count == 1 { one } else { more }))
            .collect();
        crate::words::list(&words).unwrap_or_else(|| "none".to_owned())
    }

    /// Whether more numbers are in use than were looked at.
    pub fn is_cut(&self) -> bool {
        self.soft.is_none_or(|soft| soft > u64::from(self.looked_at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_are_told_as_far_as_there_are_any() {
        let told = |sockets, pipes, files, others| {
            Descriptors { sockets, pipes, files, others, ..Descriptors::default() }.by_sort()
        };
        assert_eq!(told(58, 3, 2, 1), "58 sockets, 3 pipes, 2 files and 1 of another kind");
        assert_eq!((told(0, 1, 0, 0), told(0, 0, 0, 0)), ("1 pipe".to_owned(), "none".to_owned()));
    }
}
