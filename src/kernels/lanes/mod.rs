//! Sixteen signals side by side: what is done to one value of one of them is done to the same value of all at once.
//!
//! A frame's Fourier transform, its mel bands and its cepstrum mix the frame's own values, and vectors of neighbours fit that badly. Sixteen frames
//! in the lanes of one vector need no sums across a vector and no rests, and no lane sees another: a frame's result is the same in any company.
//!
//! | file | concept |
//! |---|---|
//! | `vector` | one vector of 16, for each instruction set |
//! | `transpose` | rows to lanes and back |
//! | `fft` | the Fourier transform of real signals |
//! | `frames` | what is done to frames before it |
//! | `sums` | weighted sums: filter banks, cosine transforms |
//! | `peaks` | what stands out |

pub mod fft;
pub mod frames;
pub mod peaks;
pub mod sums;
pub mod transpose;
mod vector;

/// Signals side by side.
pub const LANES: usize = 16;

/// One value of each signal.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Lanes(pub [f32; LANES]);

impl Lanes {
    /// The same value of all signals.
    pub const fn of(value: f32) -> Self {
        Self([value; LANES])
    }

    /// All values of all signals, lane after lane.
    pub fn flat(values: &mut [Self]) -> &mut [f32] {
        // SAFETY: `Lanes` is 16 f32 without padding (64 bytes, by `repr(C)`), so `values` is as many f32, borrowed for as long.
        unsafe { std::slice::from_raw_parts_mut(values.as_mut_ptr().cast(), values.len() * LANES) }
    }
}

/// Defines a function over lanes and its copies for each instruction set. The first argument is a [`Variant`](super::dot::Variant), which chooses; one that
/// the CPU lacks is the plain one. The body is generic over the vector `$vector`.
macro_rules! for_each_vector {
    ($(#[$doc:meta])* $access:vis fn $name:ident<$vector:ident>($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$doc])*
        $access fn $name(variant: $crate::kernels::dot::Variant, $($argument: $type),*) $(-> $out)? {
            #[inline(always)]
            #[allow(clippy::inline_always)] // so that each copy is compiled for its vectors
            fn generic<$vector: $crate::kernels::lanes::vector::Vector>($($argument: $type),*) $(-> $out)? $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $type),*) $(-> $out)? {
                generic::<$crate::kernels::lanes::vector::Avx2>($($argument),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512bw")]
            fn avx512($($argument: $type),*) $(-> $out)? {
                generic::<$crate::kernels::lanes::vector::Avx512>($($argument),*)
            }
            match variant {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the guard has just found that this CPU has AVX2 and FMA.
                $crate::kernels::dot::Variant::Avx2 if variant.is_available() => unsafe { avx2($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the guard has just found that this CPU has AVX-512F and AVX-512BW.
                $crate::kernels::dot::Variant::Avx512 if variant.is_available() => unsafe { avx512($($argument),*) },
                _ => generic::<$crate::kernels::lanes::vector::Plain>($($argument),*),
            }
        }
    };
}

use for_each_vector;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::dot::Variant;

    for_each_vector! {
        fn ran<V>() -> Variant {
            V::VARIANT
        }
    }

    #[test]
    fn the_meant_variant_runs() {
        for variant in Variant::ALL {
            assert_eq!(ran(variant), if variant.is_available() { variant } else { Variant::Portable });
        }
    }

    #[test]
    fn flat_is_lane_after_lane() {
        let mut values = [Lanes::of(1.0), Lanes::of(2.0)];
        Lanes::flat(&mut values)[17] = 7.0;
        assert_eq!(values[1].0[..3], [2.0, 7.0, 2.0]);
        assert_eq!(Lanes::flat(&mut []).len(), 0);
    }
}
