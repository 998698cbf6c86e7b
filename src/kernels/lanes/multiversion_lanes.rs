//! Function multiversioning over lanes: as [`multiversion`](crate::kernels::multiversion), with a
//! body that is generic over the vector type.

/// Defines a function and its copies for AVX2 and AVX-512, whose body uses the
/// [`Vector`](super::vector::Vector) type of its copy under the name in angle brackets. Unlike
/// [`multiversion`](crate::kernels::multiversion)'s, the copies fuse a multiplication and an
/// addition where the CPU can, so their results differ in rounding.
macro_rules! multiversion_lanes {
    (
        $(#[$doc:meta])* $access:vis fn $name:ident<$vector:ident>($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)?
        $body:block
    ) => {
        $crate::kernels::multiversion::multiversion! {
            @copies
            [generic::<$crate::kernels::lanes::vector::Portable>]
            [generic::<$crate::kernels::lanes::vector::Avx2>]
            [generic::<$crate::kernels::lanes::vector::Avx512>]
            $(#[$doc])* $access fn $name($($argument: $type),*) $(-> $out)? {
                #[inline(always)]
                #[allow(clippy::inline_always)] // so that each copy is compiled for its own vectors
                fn generic<$vector: $crate::kernels::lanes::vector::Vector>($($argument: $type),*) $(-> $out)? $body
            }
        }
    };
}

pub(super) use multiversion_lanes;

#[cfg(test)]
mod tests {
    use crate::kernels::cpu::Variant;

    multiversion_lanes! {
        fn ran<V>() -> Variant {
            V::VARIANT
        }
    }

    #[test]
    fn the_selected_variant_runs() {
        for variant in Variant::ALL {
            assert_eq!(ran(variant), if variant.is_available() { variant } else { Variant::Portable });
        }
    }
}
