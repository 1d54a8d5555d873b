//! The instruction set, detected once.
//!
//! Kernels are written once and compiled for each instruction set: simple loops by [`per_isa!`], which lets the compiler
//! vectorise one body under several target features; register tiles on the vectors of `simd`.

/// An instruction set that this machine has.
///
/// Values are only made by detection, so holding one proves that its instructions may be used.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Isa(pub(crate) Level);

/// Instruction sets in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Level {
    /// AVX-512 F, BW, DQ and VL.
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    Avx512,
    /// AVX2 and FMA.
    #[cfg(all(feature = "std", target_arch = "x86_64"))]
    Avx2,
    /// Advanced SIMD, which every 64-bit ARM has.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// What the target has by default.
    Portable,
}

impl Isa {
    /// The best one of this machine.
    pub fn detect() -> Self {
        Self::available().next().expect("portable code runs everywhere")
    }

    /// All that this machine has, best first.
    pub fn available() -> impl Iterator<Item = Self> {
        let mut found = [None; 3];
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        {
            let avx2 = std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma");
            let avx512 = std::is_x86_feature_detected!("avx512f")
                && std::is_x86_feature_detected!("avx512bw")
                && std::is_x86_feature_detected!("avx512dq")
                && std::is_x86_feature_detected!("avx512vl");
            found[0] = (avx512 && avx2).then_some(Self(Level::Avx512));
            found[1] = avx2.then_some(Self(Level::Avx2));
        }
        #[cfg(target_arch = "aarch64")]
        {
            found[0] = Some(Self(Level::Neon));
        }
        found[2] = Some(Self(Level::Portable));
        found.into_iter().flatten()
    }

    /// By name, if this machine has it: `avx512`, `avx2`, `neon`, `portable`.
    pub fn named(name: &str) -> Option<Self> {
        Self::available().find(|isa| isa.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx512 => "avx512",
            #[cfg(all(feature = "std", target_arch = "x86_64"))]
            Level::Avx2 => "avx2",
            #[cfg(target_arch = "aarch64")]
            Level::Neon => "neon",
            Level::Portable => "portable",
        }
    }
}

impl core::fmt::Debug for Isa {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// Defines methods of [`Isa`] whose body is compiled for each instruction set.
///
/// Advanced SIMD needs no shell: it is part of every 64-bit ARM target.
macro_rules! per_isa {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {
        impl $crate::Isa {
            $(
                $(#[$meta])*
                #[allow(clippy::too_many_arguments, reason = "one for each operand")]
                $vis fn $name(self, $($arg: $ty),*) $(-> $ret)? {
                    #[inline(always)]
                    fn body($($arg: $ty),*) $(-> $ret)? $body

                    #[cfg(all(feature = "std", target_arch = "x86_64"))]
                    {
                        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
                        fn avx512($($arg: $ty),*) $(-> $ret)? {
                            body($($arg),*)
                        }
                        #[target_feature(enable = "avx2,fma")]
                        fn avx2($($arg: $ty),*) $(-> $ret)? {
                            body($($arg),*)
                        }
                        match self.0 {
                            // SAFETY: an `Isa` of this level is only made where detection found its features.
                            $crate::isa::Level::Avx512 => return unsafe { avx512($($arg),*) },
                            // SAFETY: as above.
                            $crate::isa::Level::Avx2 => return unsafe { avx2($($arg),*) },
                            $crate::isa::Level::Portable => {}
                        }
                    }
                    body($($arg),*)
                }
            )*
        }
    };
}

pub(crate) use per_isa;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instruction_sets_are_found_by_name() {
        for isa in Isa::available() {
            // Who runs this under an emulator sees what it has.
            #[cfg(feature = "std")]
            std::println!("{isa:?}");
            assert_eq!(Isa::named(isa.name()), Some(isa));
        }
        assert_eq!(Isa::available().last().map(Isa::name), Some("portable"));
    }
}
