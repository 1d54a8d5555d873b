//! The caches of this machine.

/// Bytes of a core's first-level cache of data; 32 KiB where the processor does not say.
pub(crate) fn first_level() -> usize {
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    {
        static BYTES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        *BYTES.get_or_init(|| x86::first_level().unwrap_or(USUAL))
    }
    #[cfg(not(all(feature = "std", target_arch = "x86_64")))]
    USUAL
}

const USUAL: usize = 32 * 1024;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
mod x86 {
    use core::arch::x86_64::{__cpuid, __cpuid_count, CpuidResult};

    /// Leaves that list caches in the same format: Intel's (SDM, volume 2A, CPUID, leaf 4), and AMD's (APM, volume 3, E.4.15).
    const LEAVES: [u32; 2] = [4, 0x8000_001D];
    /// Types of caches: data, and data with instructions.
    const OF_DATA: [u32; 2] = [1, 3];

    pub(super) fn first_level() -> Option<usize> {
        LEAVES.into_iter().filter(|leaf| *leaf <= last_of(*leaf)).find_map(|leaf| {
            let caches = (0..16).map(|index| cpuid(leaf, index)).take_while(|cache| cache.eax & 31 != 0);
            let first = caches.into_iter().find(|cache| cache.eax >> 5 & 7 == 1 && OF_DATA.contains(&(cache.eax & 31)));
            first.map(|cache| {
                let field = |shift: u32, bits: u32| ((cache.ebx >> shift & ((1 << bits) - 1)) + 1) as usize;
                let (ways, partitions, line, sets) =
                    (field(22, 10), field(12, 10), field(0, 12), cache.ecx as usize + 1);
                ways * partitions * line * sets
            })
        })
    }

    /// The last leaf of a leaf's range.
    fn last_of(leaf: u32) -> u32 {
        #[allow(unused_unsafe, reason = "safe in newer versions of Rust")]
        // SAFETY: every x86-64 processor has the instruction.
        let range = unsafe { __cpuid(leaf & 0x8000_0000) };
        range.eax
    }

    fn cpuid(leaf: u32, index: u32) -> CpuidResult {
        #[allow(unused_unsafe, reason = "safe in newer versions of Rust")]
        // SAFETY: as above.
        unsafe {
            __cpuid_count(leaf, index)
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_level_is_of_a_size_that_caches_have() {
        assert!((8..=512).contains(&(super::first_level() / 1024)));
    }
}
