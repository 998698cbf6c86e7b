//! Tags that other programs put behind the audio of any container: ID3v1, APEv2, Lyrics3, ID3v2.

/// Whether a tag begins here.
pub(super) fn is_tag(bytes: &[u8]) -> bool {
    [&b"TAG"[..], b"APETAGEX", b"LYRICS", b"ID3"].iter().any(|tag| bytes.starts_with(tag))
}
