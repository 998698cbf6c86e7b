//! Layer `kernels`: inner loops over plain slices. The only layer that may hold `unsafe`.
#![allow(unsafe_code)]

pub mod dot;
pub mod elementwise;
pub mod finish;
pub mod gemm;
pub mod int8;
pub mod packed;
pub mod reduce;
mod vectors;
