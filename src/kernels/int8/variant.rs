//! The instruction sets that multiply 8-bit integers.

/// A way to compute the products: an instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Int8Variant {
    /// Plain Rust, on every CPU. The reference of the others.
    Portable,
    /// 128-bit vectors with `sdot` (AArch64).
    NeonDot,
    /// 256-bit vectors: codes and weights are widened to 16 bits, so that no sum saturates. As fast as f32 products, not faster.
    Avx2,
    /// 256-bit vectors with `vpdpbusd`.
    AvxVnni,
    /// 512-bit vectors with `vpdpbusd`.
    Avx512Vnni,
}

impl Int8Variant {
    /// All variants, the plainest first.
    pub const ALL: [Self; 5] = [Self::Portable, Self::NeonDot, Self::Avx2, Self::AvxVnni, Self::Avx512Vnni];

    /// The fastest variant of this CPU. The standard library asks the CPU once and remembers.
    #[inline]
    pub fn best() -> Self {
        Self::ALL.into_iter().rev().find(|variant| variant.is_available()).unwrap_or(Self::Portable)
    }

    /// Whether this CPU can run the variant.
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

    /// Whether the operating system's kernel reports the variant's instructions; asked independently of `is_available`.
    fn reported_by_linux(variant: Int8Variant) -> bool {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let has = |flag: &str| {
            // an emulator may show the CPU that it runs on
            let key = if cfg!(target_arch = "aarch64") { "Features" } else { "flags" };
            cpuinfo.lines().any(|l| l.starts_with(key) && l.split_whitespace().any(|f| f == flag))
        };
        match variant {
            Int8Variant::Portable => true,
            Int8Variant::NeonDot => has("asimddp"),
            Int8Variant::Avx2 => has("avx2"),
            Int8Variant::AvxVnni => has("avx2") && has("avx_vnni"),
            Int8Variant::Avx512Vnni => has("avx512bw") && has("avx512_vnni"),
        }
    }

    #[test]
    fn what_linux_reports_is_detected_and_the_widest_is_the_best() {
        for variant in Int8Variant::ALL {
            assert!(!reported_by_linux(variant) || variant.is_available(), "{variant:?} is there but not detected");
        }
        let widest = Int8Variant::ALL.into_iter().rev().find(|v| v.is_available()).unwrap();
        assert_eq!(Int8Variant::best(), widest);
    }
}
