//! Memory that a process shares with the children that it forks: rows of counters that outlive the child that wrote them.

use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use crate::last_errno;

/// How many counters a row has: one cache line, so that two children never write to the same.
pub const COUNTERS: usize = 8;

/// One row of counters.
pub type Row = [AtomicU64; COUNTERS];

/// Rows of counters, all zero at first. A child made by fork writes to the same memory as its parent.
#[derive(Debug)]
pub struct Rows {
    start: NonNull<Row>,
    count: usize,
}

// SAFETY: the memory stays mapped as long as the value lives and is only reached as atomics.
unsafe impl Send for Rows {}
// SAFETY: as above.
unsafe impl Sync for Rows {}

impl Rows {
    /// Maps so many rows.
    ///
    /// # Errors
    /// The kernel's errno; `ENOMEM` also for a number of rows that no memory can have.
    pub fn new(count: usize) -> Result<Rows, i32> {
        let length = length_of(count).ok_or(libc::ENOMEM)?;
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new anonymous mapping at a place of the kernel's choice touches nothing of ours.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(last_errno());
        }
        let start = NonNull::new(start.cast::<Row>()).ok_or(libc::ENOMEM)?;
        Ok(Rows { start, count })
    }

    /// The rows.
    pub fn as_slice(&self) -> &[Row] {
        // SAFETY: so many rows are mapped as long as the value lives; the mapping is page-aligned and began as zeroes,
        // which are valid atomics.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl Drop for Rows {
    fn drop(&mut self) {
        if let Some(length) = length_of(self.count) {
            // SAFETY: exactly what `new` mapped; no reference outlives the value.
            unsafe { libc::munmap(self.start.as_ptr().cast(), length) };
        }
    }
}

fn length_of(count: usize) -> Option<usize> {
    count.max(1).checked_mul(size_of::<Row>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn rows_are_apart_and_zero_at_first() {
        let rows = Rows::new(100).expect("memory");
        rows.as_slice()[99][7].store(5, Ordering::Relaxed);
        assert!(rows.as_slice()[98].iter().all(|counter| counter.load(Ordering::Relaxed) == 0));
        assert_eq!(rows.as_slice()[99][7].load(Ordering::Relaxed), 5);
        assert_eq!(rows.as_slice().len(), 100);
    }

    #[test]
    fn too_many_rows_are_refused() {
        assert_eq!(Rows::new(usize::MAX).err(), Some(libc::ENOMEM));
    }
}
