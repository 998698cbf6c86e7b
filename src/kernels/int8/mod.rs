//! Int8 GEMM with packed weights: u8 activations times i8 weights, i32 sums, f32 results with an
//! epilogue.
//!
//! ```text
//! x[r, l] ≈ offset[r] + scale[r] · q[r, l]         q in 0..=255, asymmetric per row of activations: quantised_rows.rs
//! W[j, l, o] ≈ weight_scale[o] · w[j, l, o]        w in −127..=127, symmetric per output: weights.rs
//! y[i, o] = bias[o] + weight_scale[o] · Σ_j (scale[r] · Σ_l q[r, l] · w[j, l, o]  +  offset[r] · Σ_l w[j, l, o])
//! ```
//!
//! with r the activation row of output row i and tap j. The inner sums are integers and exact; the
//! outer arithmetic is f32 multiplications and additions in one order, none of them fused. So all
//! variants ([`Int8Variant`](super::cpu::Int8Variant)) are bit-identical, and a row does not depend
//! on the number of rows.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod product;
mod quantised_rows;
mod tile;
mod weights;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use product::Int8Rows;
pub use quantised_rows::QuantisedRows;
pub use weights::{Int8Weights, MAX_INPUTS, quantise_row, rounding_error};
