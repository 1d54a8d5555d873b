//! The caches of this machine.

/// Where the processor does not say.
const USUAL: usize = 32 * 1024;

/// Bytes of a core's first-level cache of data, as far as the processor (or what it is simulated by) says.
pub(crate) fn first_level() -> usize {
    static BYTES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *BYTES.get_or_init(|| x86::first_level(x86::ask).unwrap_or(USUAL))
}

mod x86 {
    use core::arch::x86_64::{__cpuid_count, CpuidResult};

    /// Leaves that list caches in the same format: Intel's (SDM, volume 2A, CPUID, leaf 4), and AMD's (APM, volume 3, E.4.15).
    const LEAVES: [u32; 2] = [4, 0x8000_001D];
    /// Types of caches: data, and data with instructions.
    const OF_DATA: [u32; 2] = [1, 3];
    /// Caches that are listed at most.
    const CACHES: u32 = 16;

    /// By what a processor answers to a leaf and an index.
    pub(super) fn first_level(ask: impl Fn(u32, u32) -> CpuidResult) -> Option<usize> {
        // The first leaf of each range says which is its last one.
        let leaves = LEAVES.into_iter().filter(|leaf| *leaf <= ask(leaf & 0x8000_0000, 0).eax);
        let mut caches = leaves.flat_map(|leaf| (0..CACHES).map(move |index| (leaf, index))).map(|(l, i)| ask(l, i));
        let first = caches.find(|cache| cache.eax >> 5 & 7 == 1 && OF_DATA.contains(&(cache.eax & 31)))?;
        let field = |shift: u32, bits: u32| (first.ebx >> shift & ((1 << bits) - 1)) as usize + 1;
        let (ways, partitions, line, sets) = (field(22, 10), field(12, 10), field(0, 12), first.ecx as usize + 1);
        Some(ways * partitions * line * sets)
    }

    pub(super) fn ask(leaf: u32, index: u32) -> CpuidResult {
        #[allow(unused_unsafe, reason = "safe in newer versions of Rust")]
        // SAFETY: every x86-64 processor has the instruction.
        unsafe {
            __cpuid_count(leaf, index)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// A processor with caches in one leaf: type, level, ways, sets, with lines of 64 bytes.
        fn processor(of: u32, last: u32, caches: &[[u32; 4]]) -> impl Fn(u32, u32) -> CpuidResult + '_ {
            move |leaf, index| {
                let nothing = CpuidResult { eax: 0, ebx: 0, ecx: 0, edx: 0 };
                match caches.get(index as usize) {
                    _ if leaf == of & 0x8000_0000 => CpuidResult { eax: last, ..nothing },
                    Some([kind, level, ways, sets]) if leaf == of => {
                        CpuidResult { eax: kind | level << 5, ebx: (ways - 1) << 22 | 63, ecx: sets - 1, edx: 0 }
                    }
                    _ => nothing,
                }
            }
        }

        #[test]
        fn sizes_are_those_of_the_first_data_cache() {
            let intel = [[1, 1, 12, 64], [2, 1, 8, 64], [3, 2, 16, 2048]];
            assert_eq!(first_level(processor(4, 0x20, &intel)), Some(48 * 1024));
            let amd = [[2, 1, 8, 64], [1, 1, 8, 64], [3, 2, 8, 2048]];
            assert_eq!(first_level(processor(0x8000_001D, 0x8000_0028, &amd)), Some(32 * 1024));
        }

        #[test]
        fn processors_that_do_not_say() {
            assert_eq!(first_level(processor(4, 0x20, &[])), None);
            assert_eq!(first_level(processor(4, 3, &[[1, 1, 12, 64]])), None, "leaf 4 is beyond the last one");
            assert_eq!(first_level(processor(4, 0x20, &[[3, 2, 16, 2048]])), None, "a second level only");
        }
    }
}
