//! Layer `kernels`.
#![allow(unsafe_code)]
