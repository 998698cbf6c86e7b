//! Layer `nn`.
