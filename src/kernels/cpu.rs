//! CPU feature detection: the instruction sets for which kernels are compiled, and which of them
//! this CPU has.

/// Instruction set of an f32 kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Plain Rust, on every CPU: the reference for the others.
    Portable,
    /// AVX2, FMA and F16C: 256-bit vectors with fused multiply-add.
    Avx2,
    /// AVX-512 F and BW: 512-bit vectors with fused multiply-add.
    Avx512,
}

impl Variant {
    /// All variants, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The widest variant that this CPU has. The standard library caches the detection.
    #[inline]
    pub fn best() -> Self {
        if Self::Avx512.is_available() {
            Self::Avx512
        } else if Self::Avx2.is_available() {
            Self::Avx2
        } else {
            Self::Portable
        }
    }

    /// Whether this CPU has the variant's instructions.
    #[inline]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }
}

/// Instruction set of an int8 matrix product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Int8Variant {
    /// Plain Rust, on every CPU: the reference for the others.
    Portable,
    /// `sdot` (AArch64): 128-bit vectors.
    NeonDot,
    /// AVX2: 256-bit vectors. Operands are widened to 16 bits so that no sum saturates, which makes
    /// it as fast as f32 products, not faster.
    Avx2,
    /// AVX-VNNI: 256-bit vectors with `vpdpbusd`.
    AvxVnni,
    /// AVX-512 VNNI: 512-bit vectors with `vpdpbusd`.
    Avx512Vnni,
}

impl Int8Variant {
    /// All variants, the narrowest first.
    pub const ALL: [Self; 5] = [Self::Portable, Self::NeonDot, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni];

    /// The fastest variant that this CPU has. The standard library caches the detection.
    #[inline]
    pub fn best() -> Self {
        Self::ALL.into_iter().rev().find(|variant| variant.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this CPU has the variant's instructions.
    #[inline]
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(not(target_arch = "aarch64"))]
            Self::NeonDot => false,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vnni")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::AvxVnni | Self::Avx512Vnni => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the Linux kernel lists all of these CPU flags: a second source, independent of
    /// `is_available`.
    fn linux_lists(flags: &[&str]) -> bool {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        // an emulator may list the flags of its host under the other architecture's key
        let key = if cfg!(target_arch = "aarch64") { "Features" } else { "flags" };
        let has = |flag: &str| cpuinfo.lines().any(|l| l.starts_with(key) && l.split_whitespace().any(|f| f == flag));
        flags.iter().all(|flag| has(flag))
    }

    #[test]
    fn every_f32_variant_that_linux_lists_is_detected_and_the_widest_is_the_best() {
        for (variant, flags) in
            [(Variant::Avx2, &["avx2", "fma", "f16c"][..]), (Variant::Avx512, &["avx512f", "avx512bw"])]
        {
            assert!(!linux_lists(flags) || variant.is_available(), "{variant:?} is listed but not detected");
        }
        let widest = Variant::ALL.into_iter().rev().find(|v| v.is_available()).unwrap();
        assert_eq!(Variant::best(), widest);
    }

    #[test]
    fn every_int8_variant_that_linux_lists_is_detected_and_the_fastest_is_the_best() {
        for (variant, flags) in [
            (Int8Variant::NeonDot, &["asimddp"][..]),
            (Int8Variant::Avx2, &["avx2"]),
            (Int8Variant::AvxVnni, &["avx2", "avx_vnni"]),
            (Int8Variant::Avx512Vnni, &["avx512bw", "avx512_vnni"]),
        ] {
            assert!(!linux_lists(flags) || variant.is_available(), "{variant:?} is listed but not detected");
        }
        let fastest = Int8Variant::ALL.into_iter().rev().find(|v| v.is_available()).unwrap();
        assert_eq!(Int8Variant::best(), fastest);
    }
}
