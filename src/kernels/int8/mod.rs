//! Products of 8-bit integers: activations as unsigned codes, weights as signed ones, sums in 32 bits, results in f32.
//!
//! ```text
//! x[r, l] ≈ low[r] + scale[r] · q[r, l]                  q in 0..=255, a scale for each row of activations: codes.rs
//! W[j, l, o] ≈ weight_scale[o] · w[j, l, o]              w in −127..=127, a scale for each output: weights.rs
//! y[i, o] = bias[o] + weight_scale[o] · Σ_j (scale[r] · Σ_l q[r, l] · w[j, l, o]  +  low[r] · Σ_l w[j, l, o])      r = row of output i and tap j
//! ```
//!
//! The inner sums are whole numbers and exact; the outer arithmetic is f32 multiplications and additions in one order, none of them fused. So every
//! [`Int8Variant`] gives the same bits, and a row has the same ones in any company.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod codes;
mod product;
mod variant;
mod weights;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use codes::Codes;
pub use product::CodeRows;
pub use variant::Int8Variant;
pub use weights::{Int8Weights, MAX_INPUTS, lost_in_rounding};

use super::epilogue::PANEL;

/// Codes that one instruction multiplies and adds up.
const GROUP: usize = 4;
