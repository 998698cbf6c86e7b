//! Layer `models`.
