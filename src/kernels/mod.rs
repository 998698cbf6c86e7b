//! Layer `kernels`: inner loops over plain slices. The only layer that may contain `unsafe`.
//!
//! | files | concept |
//! |---|---|
//! | [`cpu`] | CPU feature detection |
//! | `multiversion` | one function body compiled for several instruction sets |
//! | [`dot`], [`gemm`], [`packed`], [`int8`] | dot product; matrix products of f32, of f32 with packed weights, of int8 |
//! | [`epilogue`] | bias, activation and norm applied before a product's store |
//! | [`elementwise`], [`gelu`], [`lstm_cell`], [`logarithm`], [`softmax`], [`reduce`] | vectorised element-wise functions and reductions |
//! | [`half_band`] | half-band decimation filter |
//! | [`lanes`] | SIMD over 16 signals side by side: FFT, filter banks |
//! | [`memory`] | large pages |
#![allow(unsafe_code)]

pub mod cpu;
pub mod dot;
pub mod elementwise;
pub mod epilogue;
mod exponential;
pub mod gelu;
pub mod gemm;
pub mod half_band;
pub mod int8;
pub mod lanes;
pub mod logarithm;
pub mod lstm_cell;
pub mod memory;
mod multiversion;
pub mod packed;
pub mod reduce;
pub mod softmax;
