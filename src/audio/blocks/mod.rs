//! Codings in blocks of a fixed size, as telephony and old recorders write them: IMA ADPCM in two
//! layouts, Microsoft ADPCM, GSM 6.10 in two packings.
//!
//! Why not libraries? Each is a page of integer arithmetic without allocation or failure, needed
//! exactly; symphonia-codec-adpcm 0.6 has no GSM and reads its blocks through containers of its own.

mod gsm;
mod ima;
mod microsoft;
mod words;

use self::gsm::Gsm;
use self::ima::Predictor;
use crate::error::{Error, Result};

/// A coding with its parameters and state.
#[derive(Debug)]
pub(super) struct BlockCoding {
    kind: Kind,
    channels: usize,
    bytes: usize,
    frames: usize,
}

#[derive(Debug)]
enum Kind {
    Ima,
    QuickTimeIma(Vec<Predictor>),
    Microsoft(Vec<(i32, i32)>),
    Gsm(Box<Gsm>),
    GsmPairs(Box<Gsm>),
}

impl BlockCoding {
    /// IMA ADPCM of WAV (tag 0x11).
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a block size that holds no samples.
    pub(super) fn ima(channels: u16, block_bytes: usize) -> Result<Self> {
        let count = usize::from(channels);
        let data = block_bytes.checked_sub(4 * count).filter(|data| data % (4 * count) == 0);
        let data = data.ok_or_else(|| block_size("IMA ADPCM", block_bytes, channels))?;
        Ok(Self { kind: Kind::Ima, channels: count, bytes: block_bytes, frames: 1 + 2 * data / count })
    }

    /// Microsoft ADPCM of WAV (tag 2). `extension` begins with the frames per block and the number of
    /// coefficient pairs, which follow; without any, the seven standard pairs are used.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] for a block size that holds no samples.
    pub(super) fn microsoft(channels: u16, block_bytes: usize, extension: &[u8]) -> Result<Self> {
        let count = usize::from(channels);
        let data = block_bytes.checked_sub(7 * count).filter(|data| 2 * data % count == 0);
        let data = data.ok_or_else(|| block_size("Microsoft ADPCM", block_bytes, channels))?;
        let kind = Kind::Microsoft(microsoft::coefficients(extension));
        Ok(Self { kind, channels: count, bytes: block_bytes, frames: 2 + 2 * data / count })
    }

    /// IMA ADPCM of QuickTime, AIFF-C and CAF (`ima4`).
    pub(super) fn quick_time_ima(channels: u16) -> Self {
        let channels = usize::from(channels);
        let kind = Kind::QuickTimeIma(vec![Predictor::default(); channels]);
        Self { kind, channels, bytes: ima::QUICK_TIME_BYTES * channels.max(1), frames: ima::QUICK_TIME_FRAMES }
    }

    /// GSM 6.10, 8 kHz mono, frames of 33 bytes.
    pub(super) fn gsm() -> Self {
        Self { kind: Kind::Gsm(Box::default()), channels: 1, bytes: gsm::FRAME_BYTES, frames: gsm::FRAME_SAMPLES }
    }

    /// GSM 6.10 of WAV (tag 0x31): two frames in 65 bytes.
    pub(super) fn gsm_pairs() -> Self {
        Self {
            kind: Kind::GsmPairs(Box::default()),
            channels: 1,
            bytes: gsm::PAIR_BYTES,
            frames: 2 * gsm::FRAME_SAMPLES,
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Ima | Kind::QuickTimeIma(_) => "IMA ADPCM",
            Kind::Microsoft(_) => "Microsoft ADPCM",
            Kind::Gsm(_) | Kind::GsmPairs(_) => "GSM 6.10",
        }
    }

    /// Bytes of a block.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Frames of a block.
    pub(super) fn frames(&self) -> usize {
        self.frames
    }

    /// Decodes one block of [`BlockCoding::bytes`] bytes and appends its interleaved samples.
    pub(super) fn decode(&mut self, block: &[u8], out: &mut Vec<f32>) {
        match &mut self.kind {
            Kind::Ima => ima::decode(block, self.channels, out),
            Kind::QuickTimeIma(predictors) => ima::decode_quick_time(block, predictors, out),
            Kind::Microsoft(coefficients) => microsoft::decode(block, self.channels, coefficients, out),
            Kind::Gsm(gsm) => gsm.decode(block, out),
            Kind::GsmPairs(gsm) => gsm.decode_pair(block, out),
        }
    }
}

fn block_size(coding: &str, bytes: usize, channels: u16) -> Error {
    Error::malformed(
        "WAV",
        format!(
            "{coding} in blocks of {bytes} bytes for {channels} channels is impossible; convert it: ffmpeg -i IN OUT.wav"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_block_sizes_are_refused() {
        for (channels, bytes) in [(1, 3), (2, 7), (1, 6), (2, 12)] {
            let error = BlockCoding::ima(channels, bytes).unwrap_err().to_string();
            assert!(error.contains(&format!("blocks of {bytes} bytes")), "{error}");
        }
        assert!(BlockCoding::microsoft(2, 13, &[]).is_err());
        assert_eq!(BlockCoding::ima(1, 256).unwrap().frames(), 505);
        assert_eq!(BlockCoding::microsoft(1, 256, &[]).unwrap().frames(), 500);
    }

    #[test]
    fn any_block_gives_its_frames_within_full_scale() {
        let mut random = crate::audio::testing::Random(11);
        let codings = [
            BlockCoding::ima(2, 64).unwrap(),
            BlockCoding::microsoft(2, 64, &[]).unwrap(),
            BlockCoding::quick_time_ima(2),
            BlockCoding::gsm(),
            BlockCoding::gsm_pairs(),
        ];
        for mut coding in codings {
            for _ in 0..2000 {
                let block: Vec<u8> = (0..coding.bytes()).map(|_| random.below(256) as u8).collect();
                let mut out = Vec::new();
                coding.decode(&block, &mut out);
                assert_eq!(out.len(), coding.frames() * coding.channels, "{}", coding.name());
                assert!(out.iter().all(|x| (-1.0..=1.0).contains(x)), "{}", coding.name());
            }
        }
    }
}
