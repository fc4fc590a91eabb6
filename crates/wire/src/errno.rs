//! The kernel's error numbers: their names, and what they mean in the words of errno(3), in lower case.
//!
//! The numbers are those of Linux on x86-64 and aarch64 (include/uapi/asm-generic/errno.h).

/// Operation not permitted.
pub const EPERM: i32 = 1;
/// No such file or directory.
pub const ENOENT: i32 = 2;
/// Interrupted system call.
pub const EINTR: i32 = 4;
/// Input/output error.
pub const EIO: i32 = 5;
/// Resource temporarily unavailable.
pub const EAGAIN: i32 = 11;
/// Cannot allocate memory.
pub const ENOMEM: i32 = 12;
/// Permission denied.
pub const EACCES: i32 = 13;
/// Invalid argument.
pub const EINVAL: i32 = 22;
/// Too many open files in system.
pub const ENFILE: i32 = 23;
/// Too many open files.
pub const EMFILE: i32 = 24;
/// No space left on device.
pub const ENOSPC: i32 = 28;
/// Broken pipe.
pub const EPIPE: i32 = 32;
/// Function not implemented.
pub const ENOSYS: i32 = 38;
/// Address family not supported by protocol.
pub const EAFNOSUPPORT: i32 = 97;
/// Address already in use.
pub const EADDRINUSE: i32 = 98;
/// Cannot assign requested address.
pub const EADDRNOTAVAIL: i32 = 99;
/// Network is unreachable.
pub const ENETUNREACH: i32 = 101;
/// Software caused connection abort.
pub const ECONNABORTED: i32 = 103;
/// Connection reset by peer.
pub const ECONNRESET: i32 = 104;
/// Connection timed out.
pub const ETIMEDOUT: i32 = 110;
/// Connection refused.
pub const ECONNREFUSED: i32 = 111;
/// No route to host.
pub const EHOSTUNREACH: i32 = 113;

/// Number, name and words; sorted by number.
const ERRNOS: [(i32, &str, &str); 45] = [
    (EPERM, "EPERM", "operation not permitted"),
    (ENOENT, "ENOENT", "no such file or directory"),
    (3, "ESRCH", "no such process"),
    (EINTR, "EINTR", "interrupted system call"),
    (EIO, "EIO", "input/output error"),
    (6, "ENXIO", "no such device or address"),
    (9, "EBADF", "bad file descriptor"),
    (10, "ECHILD", "no child processes"),
    (EAGAIN, "EAGAIN", "resource temporarily unavailable"),
    (ENOMEM, "ENOMEM", "cannot allocate memory"),
    (EACCES, "EACCES", "permission denied"),
    (16, "EBUSY", "device or resource busy"),
    (17, "EEXIST", "file exists"),
    (19, "ENODEV", "no such device"),
    (20, "ENOTDIR", "not a directory"),
    (21, "EISDIR", "is a directory"),
    (EINVAL, "EINVAL", "invalid argument"),
    (ENFILE, "ENFILE", "too many open files in system"),
    (EMFILE, "EMFILE", "too many open files"),
    (27, "EFBIG", "file too large"),
    (ENOSPC, "ENOSPC", "no space left on device"),
    (30, "EROFS", "read-only file system"),
    (EPIPE, "EPIPE", "broken pipe"),
    (ENOSYS, "ENOSYS", "function not implemented"),
    (71, "EPROTO", "protocol error"),
    (88, "ENOTSOCK", "socket operation on non-socket"),
    (90, "EMSGSIZE", "message too long"),
    (92, "ENOPROTOOPT", "protocol not available"),
    (93, "EPROTONOSUPPORT", "protocol not supported"),
    (94, "ESOCKTNOSUPPORT", "socket type not supported"),
    (95, "EOPNOTSUPP", "operation not supported"),
    (EAFNOSUPPORT, "EAFNOSUPPORT", "address family not supported by protocol"),
    (EADDRINUSE, "EADDRINUSE", "address already in use"),
    (EADDRNOTAVAIL, "EADDRNOTAVAIL", "cannot assign requested address"),
    (100, "ENETDOWN", "network is down"),
    (ENETUNREACH, "ENETUNREACH", "network is unreachable"),
    (ECONNABORTED, "ECONNABORTED", "software caused connection abort"),
    (ECONNRESET, "ECONNRESET", "connection reset by peer"),
    (105, "ENOBUFS", "no buffer space available"),
    (107, "ENOTCONN", "transport endpoint is not connected"),
    (ETIMEDOUT, "ETIMEDOUT", "connection timed out"),
    (ECONNREFUSED, "ECONNREFUSED", "connection refused"),
    (112, "EHOSTDOWN", "host is down"),
    (EHOSTUNREACH, "EHOSTUNREACH", "no route to host"),
    (122, "EDQUOT", "disk quota exceeded"),
];

fn entry(errno: i32) -> Option<&'static (i32, &'static str, &'static str)> {
    let place = ERRNOS.binary_search_by_key(&errno, |(number, _, _)| *number);
    place.ok().map(|place| &ERRNOS[place])
}

/// `ECONNREFUSED`; `errno 200` for one that is not in the table.
pub fn name(errno: i32) -> String {
    entry(errno).map_or_else(|| format!("errno {errno}"), |(_, name, _)| (*name).to_owned())
}

/// `connection refused`; `error number 200` for one that is not in the table.
pub fn words(errno: i32) -> String {
    entry(errno).map_or_else(|| format!("error number {errno}"), |(_, _, words)| (*words).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_so_that_it_can_be_searched() {
        assert!(ERRNOS.is_sorted_by(|(a, _, _), (b, _, _)| a < b));
    }

    /// The C library is the oracle: its text for each number, in the C locale, is ours but for the capital.
    #[test]
    fn the_words_are_those_of_the_c_library() {
        for (number, name, words) in ERRNOS {
            let theirs = std::io::Error::from_raw_os_error(number).to_string();
            let theirs = theirs.split(" (os error").next().unwrap().to_lowercase();
            // musl's wording differs here and there; the names are what both agree on.
            if cfg!(target_env = "gnu") {
                assert_eq!(theirs, words, "{name}");
            }
        }
    }

    #[test]
    fn unknown_numbers_are_shown_as_numbers() {
        assert_eq!((name(4000), words(-1)), ("errno 4000".to_owned(), "error number -1".to_owned()));
    }
}
