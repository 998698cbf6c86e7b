//! Reader of bits, the most significant first.

/// Reads bits of a slice. Behind its end are zeros; [`BitReader::position`] shows that they were read.
#[derive(Debug, Clone)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bits read so far.
    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn seek(&mut self, position: usize) {
        self.position = position;
    }

    pub(super) fn bit(&mut self) -> bool {
        let byte = self.bytes.get(self.position / 8).copied().unwrap_or(0);
        let bit = byte >> (7 - self.position % 8) & 1 == 1;
        self.position += 1;
        bit
    }

    /// The next `count` bits, up to 16, as a number.
    pub(super) fn bits(&mut self, count: u32) -> u32 {
        let at = self.position / 8;
        let byte = |offset: usize| u32::from(self.bytes.get(at + offset).copied().unwrap_or(0));
        let window = byte(0) << 16 | byte(1) << 8 | byte(2);
        let shift = 24 - (self.position % 8) as u32 - count;
        self.position += count as usize;
        window >> shift & ((1 << count) - 1)
    }
}
