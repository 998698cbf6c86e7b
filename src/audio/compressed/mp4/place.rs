//! Where a packet is.

/// A packet's place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) size: u32,
    /// In media units; 0 is unknown.
    pub(super) duration: u32,
}
