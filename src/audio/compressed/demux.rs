//! What a demultiplexer hands to the decoder: packets with their positions, and what is wrong.

use crate::error::Result;

/// A coded packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CodedPacket {
    pub(super) bytes: Vec<u8>,
    /// Its length in frames, if the container states it.
    pub(super) frames: Option<u64>,
}

/// Packets that are decoded together, because the container states a position for all of them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) packets: Vec<CodedPacket>,
    /// Position of the first frame.
    pub(super) starts_at: Option<u64>,
    /// Position after the last frame.
    pub(super) ends_at: Option<i64>,
    /// Whether the stream ends with it: frames beyond `ends_at` are padding.
    pub(super) is_last: bool,
}

/// The next element of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Group(Group),
    /// This number of packets, or more, is missing or damaged before the next group.
    Lost(u64, String),
    /// An irregularity that loses no frame.
    Odd(String),
    /// The rest of the stream cannot be used, and why.
    Broken(String),
    End,
}

/// A demultiplexer of one audio stream.
pub(super) trait Demux: Send + Sync {
    /// Reads up to the next element. [`Event::End`] is final.
    fn next(&mut self) -> Result<Event>;
}
