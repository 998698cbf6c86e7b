//! Microsoft ADPCM: four bits a sample, a prediction from the two samples before it with one of
//! several pairs of coefficients per block (Microsoft, "New Multimedia Data Types", 1994).

use super::words::{SCALE, i16_at};

/// The pairs that every decoder knows, in units of 1/256.
const STANDARD: [(i32, i32); 7] = [(256, 0), (512, -256), (0, 0), (192, 64), (240, 0), (460, -208), (392, -232)];
/// Change of the step by code, in units of 1/256.
const ADAPTATION: [i32; 16] = [230, 230, 230, 230, 307, 409, 512, 614, 768, 614, 512, 409, 307, 230, 230, 230];

/// The coefficient pairs of a `fmt ` chunk's extension, or the standard ones.
pub(super) fn coefficients(extension: &[u8]) -> Vec<(i32, i32)> {
    let count = i16_at(extension, 2);
    let pairs = extension.get(4..).unwrap_or_default().as_chunks::<4>().0;
    if count < 1 || pairs.len() < count as usize {
        return STANDARD.to_vec();
    }
    pairs[..count as usize].iter().map(|pair| (i16_at(pair, 0), i16_at(pair, 2))).collect()
}

struct Channel {
    pair: (i32, i32),
    step: i32,
    last: i32,
    before: i32,
}

impl Channel {
    fn decode(&mut self, code: u8) -> f32 {
        let signed = i32::from((code << 4) as i8 >> 4);
        let product = |sample: i32, factor: i32| i64::from(sample) * i64::from(factor);
        let predicted = ((product(self.last, self.pair.0) + product(self.before, self.pair.1)) / 256) as i32;
        let sample = predicted.saturating_add(signed.saturating_mul(self.step)).clamp(-32768, 32767);
        (self.before, self.last) = (self.last, sample);
        self.step = (ADAPTATION[usize::from(code)].saturating_mul(self.step) >> 8).clamp(16, i32::MAX / 768);
        sample as f32 * SCALE
    }
}

/// Decodes a block: of each channel the number of its pair, the step, the second sample and the
/// first one; then codes of the channels in turn, the upper four bits of a byte before the lower.
pub(super) fn decode(block: &[u8], channels: usize, pairs: &[(i32, i32)], out: &mut Vec<f32>) {
    let mut states: Vec<Channel> = (0..channels)
        .map(|channel| Channel {
            pair: pairs.get(usize::from(block[channel])).copied().unwrap_or(STANDARD[0]),
            step: i16_at(block, channels + 2 * channel),
            last: i16_at(block, 3 * channels + 2 * channel),
            before: i16_at(block, 5 * channels + 2 * channel),
        })
        .collect();
    out.extend(states.iter().map(|state| state.before as f32 * SCALE));
    out.extend(states.iter().map(|state| state.last as f32 * SCALE));
    let codes = block[7 * channels..].iter().flat_map(|byte| [byte >> 4, byte & 15]);
    for (index, code) in codes.enumerate() {
        out.push(states[index % channels].decode(code));
    }
}
