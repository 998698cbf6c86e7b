//! IMA ADPCM: four bits a sample, each a step of an adaptive size (Interactive Multimedia
//! Association, "Recommended Practices for Enhancing Digital Audio Compatibility", 1992, §6).
//!
//! WAV rounds a difference once, `(2·code + 1)·step / 8`; QuickTime truncates each of its terms. Both
//! as ffmpeg does; the results differ by a few of 32768 steps.

use super::words::{SCALE, i16_at};

/// Bytes and frames of a QuickTime packet of one channel.
pub(super) const QUICK_TIME_BYTES: usize = 34;
pub(super) const QUICK_TIME_FRAMES: usize = 64;

const INDEX_CHANGES: [i32; 8] = [-1, -1, -1, -1, 2, 4, 6, 8];
const STEPS: [i32; 89] = [
    7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88, 97, 107,
    118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658, 724, 796, 876, 963,
    1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660, 4026, 4428, 4871, 5358, 5894,
    6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818, 18500, 20350, 22385, 24623, 27086, 29794,
    32767,
];

/// State of a channel.
#[derive(Debug, Clone, Default)]
pub(super) struct Predictor {
    sample: i32,
    index: i32,
}

impl Predictor {
    fn new(sample: i32, index: i32) -> Self {
        Self { sample, index: index.clamp(0, 88) }
    }

    fn step(&self) -> i32 {
        STEPS[self.index.clamp(0, 88) as usize]
    }

    /// Moves by a code whose magnitude is `difference`.
    fn advance(&mut self, code: u8, difference: i32) -> f32 {
        let signed = if code & 8 != 0 { -difference } else { difference };
        self.sample = (self.sample + signed).clamp(-32768, 32767);
        self.index = (self.index + INDEX_CHANGES[usize::from(code & 7)]).clamp(0, 88);
        self.sample as f32 * SCALE
    }

    fn rounded(&mut self, code: u8) -> f32 {
        self.advance(code, ((2 * i32::from(code & 7) + 1) * self.step()) >> 3)
    }

    fn truncated(&mut self, code: u8) -> f32 {
        let step = self.step();
        let terms = [(4, step), (2, step >> 1), (1, step >> 2)];
        let sum: i32 = terms.iter().filter(|(bit, _)| code & bit != 0).map(|(_, term)| term).sum();
        self.advance(code, sum + (step >> 3))
    }
}

/// Decodes a block of WAV: of each channel the first sample and the step's index, then eight codes of
/// each channel in turn.
pub(super) fn decode(block: &[u8], channels: usize, out: &mut Vec<f32>) {
    let mut predictors: Vec<Predictor> = (0..channels)
        .map(|channel| Predictor::new(i16_at(block, 4 * channel), block[4 * channel + 2].into()))
        .collect();
    out.extend(predictors.iter().map(|predictor| predictor.sample as f32 * SCALE));
    for group in block[4 * channels..].chunks_exact(4 * channels) {
        let at = out.len();
        out.resize(at + 8 * channels, 0.0);
        for (channel, predictor) in predictors.iter_mut().enumerate() {
            for (pair, byte) in group[4 * channel..4 * channel + 4].iter().enumerate() {
                out[at + 2 * pair * channels + channel] = predictor.rounded(byte & 15);
                out[at + (2 * pair + 1) * channels + channel] = predictor.rounded(byte >> 4);
            }
        }
    }
}

/// Decodes a packet of QuickTime: of each channel 9 bits of the sample and 7 of the step's index,
/// then 64 codes. The state is kept from packet to packet where the header agrees with it.
pub(super) fn decode_quick_time(packet: &[u8], predictors: &mut [Predictor], out: &mut Vec<f32>) {
    let (at, channels) = (out.len(), predictors.len());
    out.resize(at + QUICK_TIME_FRAMES * channels, 0.0);
    for (channel, (predictor, bytes)) in predictors.iter_mut().zip(packet.chunks_exact(QUICK_TIME_BYTES)).enumerate() {
        let head = i16::from_be_bytes([bytes[0], bytes[1]]);
        let (sample, index) = (i32::from(head & !0x7F), i32::from(head & 0x7F).min(88));
        if predictor.index != index || (sample - predictor.sample).abs() > 0x7F {
            *predictor = Predictor::new(sample, index);
        }
        for (pair, byte) in bytes[2..].iter().enumerate() {
            out[at + 2 * pair * channels + channel] = predictor.truncated(byte & 15);
            out[at + (2 * pair + 1) * channels + channel] = predictor.truncated(byte >> 4);
        }
    }
}
