//! Memory next to pages that nobody may touch.

use core::ops::{Deref, DerefMut};

use region::{Allocation, Protection};

/// The end of some memory that is guarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// The first float begins exactly behind a page without access.
    Start,
    /// The last float ends exactly before one.
    End,
}

/// Floats with a page without access right before the first or right behind the last of them: a kernel that reads or
/// writes what is not its own ends the process.
pub struct Guarded {
    pages: Allocation,
    /// Bytes before the first float.
    offset: usize,
    len: usize,
}

impl Edge {
    /// A copy of some floats.
    pub fn of(self, values: &[f32]) -> Guarded {
        let mut memory = self.unset(values.len());
        memory.copy_from_slice(values);
        memory
    }

    /// Floats to be written, so far NaN.
    pub fn unset(self, len: usize) -> Guarded {
        let (page, bytes) = (region::page::size(), len * size_of::<f32>());
        let inside = bytes.next_multiple_of(page).max(page);
        let mut pages = region::alloc(inside + 2 * page, Protection::NONE).expect("memory for a test");
        let first = pages.as_mut_ptr::<u8>().wrapping_add(page);
        // SAFETY: these are pages of the allocation, of which nobody knows yet.
        unsafe { region::protect(first, inside, Protection::READ_WRITE) }.expect("pages can be made accessible");
        let offset = match self {
            Self::Start => page,
            Self::End => page + inside - bytes,
        };
        let mut memory = Guarded { pages, offset, len };
        memory.fill(f32::NAN);
        memory
    }
}

impl Deref for Guarded {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        let start = self.pages.as_ptr::<u8>().wrapping_add(self.offset);
        // SAFETY: that many floats lie in pages of the allocation that are accessible, as `unset` made them; new pages hold
        // zeros.
        unsafe { core::slice::from_raw_parts(start.cast(), self.len) }
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut [f32] {
        let start = self.pages.as_mut_ptr::<u8>().wrapping_add(self.offset);
        // SAFETY: as in `deref`; the borrow of `self` keeps others away.
        unsafe { core::slice::from_raw_parts_mut(start.cast(), self.len) }
    }
}

#[cfg(all(test, unix, feature = "std"))]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    fn touch(edge: Edge, offset: isize) {
        let memory = edge.of(&[1.0; 5]);
        // SAFETY: there is none: the tests below see that the process ends here.
        core::hint::black_box(unsafe { memory.as_ptr().offset(offset).read_volatile() });
    }

    #[test]
    #[ignore = "ends the process"]
    fn touches_the_float_before() {
        touch(Edge::Start, -1);
    }

    #[test]
    #[ignore = "ends the process"]
    fn touches_the_float_behind() {
        touch(Edge::End, 5);
    }

    #[test]
    fn whoever_leaves_the_memory_ends_the_process() {
        for name in ["touches_the_float_before", "touches_the_float_behind"] {
            let test = std::format!("kernels::checks::guarded::tests::{name}");
            let this = std::env::current_exe().expect("a running test");
            let run = Command::new(this).args(["--ignored", "--exact", &test]).output().expect("it runs again");
            assert!(
                run.status.signal().is_some(),
                "{name}: {}, {}",
                run.status,
                std::string::String::from_utf8_lossy(&run.stdout)
            );
        }
    }
}
