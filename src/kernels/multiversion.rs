//! Function multiversioning: one body, compiled once for each [`Variant`](super::cpu::Variant).

/// Defines a function and its copies for AVX2 and AVX-512. The first argument of the function is a
/// [`Variant`](super::cpu::Variant) and selects the copy; a variant that the CPU lacks selects the
/// portable one.
///
/// All copies do the same arithmetic: rustc never fuses a multiplication and an addition by itself,
/// and sums of floats keep their order. So the results are bit-identical.
macro_rules! multiversion {
    ($(#[$doc:meta])* $access:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $crate::kernels::multiversion::multiversion! {
            @copies [portable] [portable] [portable]
            $(#[$doc])* $access fn $name($($argument: $type),*) $(-> $out)? {
                #[inline(always)]
                #[allow(clippy::inline_always)] // so that each copy is compiled for its own vector width
                fn portable($($argument: $type),*) $(-> $out)? $body
            }
        }
    };
    // The paths are those of the body compiled into the portable, the AVX2 and the AVX-512 copy.
    (
        @copies [$($portable:tt)+] [$($avx2:tt)+] [$($avx512:tt)+]
        $(#[$doc:meta])* $access:vis fn $name:ident($($argument:ident: $type:ty),*) $(-> $out:ty)? { $($body:item)+ }
    ) => {
        $(#[$doc])*
        $access fn $name(variant: $crate::kernels::cpu::Variant, $($argument: $type),*) $(-> $out)? {
            $($body)+
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $type),*) $(-> $out)? {
                $($avx2)+($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw")]
            fn avx512($($argument: $type),*) $(-> $out)? {
                $($avx512)+($($argument),*)
            }
            match variant {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the guard has just found that this CPU has AVX2 and FMA.
                $crate::kernels::cpu::Variant::Avx2 if variant.is_available() => unsafe { avx2($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the guard has just found that this CPU has AVX-512F and AVX-512BW.
                $crate::kernels::cpu::Variant::Avx512 if variant.is_available() => unsafe { avx512($($argument),*) },
                _ => $($portable)+($($argument),*),
            }
        }
    };
}

pub(super) use multiversion;
