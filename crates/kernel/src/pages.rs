//! Memory of which each page costs nothing until it is first written to: for buffers that must be large and are seldom
//! used as a whole. A large allocation promises that only as long as nothing like it was freed before (mallopt(3),
//! `M_MMAP_THRESHOLD`), and its failure ends the process.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Bytes, all zero at first.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the value owns its memory, which has nothing to do with the thread that mapped it.
unsafe impl Send for Pages {}
// SAFETY: a shared value can only be read.
unsafe impl Sync for Pages {}

impl Pages {
    /// So many bytes, more than none.
    ///
    /// # Errors
    /// The kernel's errno: `ENOMEM` where there is no room for them, `EINVAL` for none.
    pub fn new(length: usize) -> Result<Pages, i32> {
        if isize::try_from(length).is_err() {
            return Err(libc::ENOMEM);
        }
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new anonymous mapping at a place of the kernel's choice touches nothing of ours.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(crate::last_errno());
        }
        // SAFETY: advice about what was just mapped. Neighbours of the same kind could otherwise share one huge page, all of
        // which the first touch would cost. Kernels that have none refuse it.
        unsafe { libc::madvise(start, length, libc::MADV_NOHUGEPAGE) };
        let start = NonNull::new(start.cast::<u8>()).ok_or(libc::ENOMEM)?;
        Ok(Pages { start, length })
    }
}

impl Deref for Pages {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: so many bytes are mapped as long as the value lives, and they began as zeroes.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl DerefMut for Pages {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nobody else can reach them while this borrow lasts.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped; no reference outlives the value.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_the_rest_is_zero() {
        let mut pages = Pages::new(100_000).expect("memory");
        pages[99_999] = 7;
        assert_eq!((pages.len(), pages[99_999]), (100_000, 7));
        assert!(pages[..99_999].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_no_memory_can_hold_is_refused() {
        assert_eq!(Pages::new(usize::MAX).err(), Some(libc::ENOMEM));
        assert_eq!(Pages::new(1 << 60).err(), Some(libc::ENOMEM));
        assert_eq!(Pages::new(0).err(), Some(libc::EINVAL));
    }

    #[test]
    fn an_untouched_page_costs_nothing() {
        let size = 512 << 20;
        let mut pages = Pages::new(size).expect("address space");
        pages[size / 2] = 1;
        let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the field");
        let resident: usize = resident.trim().trim_end_matches(" kB").parse().expect("a number");
        assert!(resident * 1024 < size / 2, "{resident} kB");
    }
}
