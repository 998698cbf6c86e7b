//! Layer `kernels`: inner loops over plain slices. The only layer that may hold `unsafe`.
#![allow(unsafe_code)]

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
pub mod memory;
pub mod packed;
pub mod reduce;
pub mod softmax;
mod vectors;
