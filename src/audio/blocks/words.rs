//! Samples of 16 bits.

/// Factor from 16-bit integers to full scale 1.
pub(super) const SCALE: f32 = 1.0 / 32768.0;

/// A 16-bit integer at `at`, little-endian; 0 beyond the end.
pub(super) fn i16_at(bytes: &[u8], at: usize) -> i32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |&word| i16::from_le_bytes(word).into())
}
