//! Layer `kernels`.
#![allow(unsafe_code)]

pub mod dot;
