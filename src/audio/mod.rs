//! Layer `audio`.
