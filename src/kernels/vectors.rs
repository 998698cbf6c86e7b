//! One function, compiled for each width of vectors.

/// Defines a function and its copies for wider vectors. Its first argument is a [`Variant`](super::dot::Variant), which chooses; one that the CPU
/// lacks is the plain one. The arithmetic is the same in all of them, so the bits are: nothing is fused, and sums of floats keep their order.
macro_rules! for_each_width {
    ($(#[$doc:meta])* $access:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$doc])*
        $access fn $name(variant: $crate::kernels::dot::Variant, $($argument: $type),*) $(-> $out)? {
            #[inline(always)]
            #[allow(clippy::inline_always)] // so that each copy is compiled for its vectors
            fn plain($($argument: $type),*) $(-> $out)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2")]
            fn avx2($($argument: $type),*) $(-> $out)? {
                plain($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw")]
            fn avx512($($argument: $type),*) $(-> $out)? {
                plain($($argument),*)
            }
            match variant {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the guard has just found that this CPU has AVX2.
                $crate::kernels::dot::Variant::Avx2 if variant.is_available() => unsafe { avx2($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the guard has just found that this CPU has AVX-512F and AVX-512BW.
                $crate::kernels::dot::Variant::Avx512 if variant.is_available() => unsafe { avx512($($argument),*) },
                _ => plain($($argument),*),
            }
        }
    };
}

pub(super) use for_each_width;
