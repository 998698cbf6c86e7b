//! GSM 6.10 full rate (ETSI EN 300 961 §5.3): 260 bits for 160 samples at 8 kHz, decoded in the
//! standard's 16-bit saturating arithmetic, so that every decoder gives the same samples.
//!
//! ```text
//! 8 log area ratios (6 6 5 5 4 4 3 3 bits) ──▶ reflection coefficients, interpolated
//! 4 × lag 7, gain 2, grid 2, maximum 6, 13 pulses of 3 bits
//!     pulses ──▶ long-term synthesis ──▶ short-term lattice ──▶ de-emphasis ──▶ 13-bit samples
//! ```

use super::words::SCALE;

/// Bytes of a frame: a nibble 0xD and 260 bits, the first bit of a byte being its highest.
pub(super) const FRAME_BYTES: usize = 33;
/// Bytes of two frames as Microsoft packs them: 520 bits, the first bit of a byte being its lowest.
pub(super) const PAIR_BYTES: usize = 65;
/// Samples of a frame.
pub(super) const FRAME_SAMPLES: usize = 160;

/// Bits of the eight log area ratios, and their decoding: B, MIC, INVA (tables 5.1 and 5.2).
const RATIOS: [(u32, i16, i16, i16); 8] = [
    (6, 0, -32, 13_107),
    (6, 0, -32, 13_107),
    (5, 2048, -16, 13_107),
    (5, -2560, -16, 13_107),
    (4, 94, -8, 19_223),
    (4, -1792, -8, 17_476),
    (3, -341, -4, 31_454),
    (3, -1144, -4, 29_708),
];
/// Long-term gains (table 5.3b).
const GAINS: [i16; 4] = [3277, 11_469, 21_299, 32_767];
/// Pulse scales by mantissa (table 5.6).
const SCALES: [i16; 8] = [18_431, 20_479, 22_527, 24_575, 26_623, 28_671, 30_719, 32_767];
/// Coefficient of the de-emphasis.
const EMPHASIS: i16 = 28_180;

/// State of the decoder.
#[derive(Debug, Clone)]
pub(super) struct Gsm {
    /// Excitation: 120 samples of history, and the subframe.
    excitation: [i16; 160],
    ratios: [i16; 8],
    lattice: [i16; 9],
    lag: usize,
    emphasis: i16,
}

impl Default for Gsm {
    fn default() -> Self {
        Self { excitation: [0; 160], ratios: [0; 8], lattice: [0; 9], lag: 40, emphasis: 0 }
    }
}

/// Rounded product of fractions.
fn mult_r(a: i16, b: i16) -> i16 {
    let product = (i32::from(a) * i32::from(b) + 16_384) >> 15;
    product.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

/// Shift to the right by `n`, to the left if `n` is negative.
fn shift_right(x: i16, n: i16) -> i16 {
    match n {
        16.. => -i16::from(x < 0),
        0..16 => x >> n,
        -15..0 => x.wrapping_shl(u32::from(n.unsigned_abs())),
        _ => 0,
    }
}

/// Takes numbers off a frame's bits.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    lowest_first: bool,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> i16 {
        let mut value = 0;
        for index in 0..count {
            let byte = self.bytes.get(self.at / 8).copied().unwrap_or(0);
            let bit = if self.lowest_first { byte >> (self.at % 8) & 1 } else { byte >> (7 - self.at % 8) & 1 };
            value = if self.lowest_first { value | i16::from(bit) << index } else { value << 1 | i16::from(bit) };
            self.at += 1;
        }
        value
    }
}

impl Gsm {
    /// Decodes a frame of 33 bytes and appends its samples.
    pub(super) fn decode(&mut self, frame: &[u8], out: &mut Vec<f32>) {
        self.frame(&mut Bits { bytes: frame, at: 4, lowest_first: false }, out);
    }

    /// Decodes two frames of 65 bytes and appends their samples.
    pub(super) fn decode_pair(&mut self, pair: &[u8], out: &mut Vec<f32>) {
        let mut bits = Bits { bytes: pair, at: 0, lowest_first: true };
        self.frame(&mut bits, out);
        self.frame(&mut bits, out);
    }

    fn frame(&mut self, bits: &mut Bits<'_>, out: &mut Vec<f32>) {
        let mut ratios = [0; 8];
        for (ratio, (width, b, mic, inva)) in ratios.iter_mut().zip(RATIOS) {
            let coded = (bits.take(width) + mic) << 10;
            let decoded = mult_r(inva, coded.saturating_sub(b << 1));
            *ratio = decoded.saturating_add(decoded);
        }
        let mut excitation = [0; FRAME_SAMPLES];
        for subframe in excitation.chunks_exact_mut(40) {
            self.subframe(bits, subframe);
        }
        self.synthesise(&ratios, &excitation, out);
        self.ratios = ratios;
    }

    /// Long-term synthesis of 40 samples (§5.3.1, §5.3.2).
    fn subframe(&mut self, bits: &mut Bits<'_>, out: &mut [i16]) {
        let (lag, gain, grid, maximum) = (bits.take(7), bits.take(2), bits.take(2), bits.take(6));
        if (40..=120).contains(&lag) {
            self.lag = lag as usize;
        }
        let mut pulses = [0_i16; 40];
        let (exponent, mantissa) = block_maximum(maximum);
        let shift = 6 - exponent;
        let rounding = shift_right(1, 1 - shift);
        for index in 0..13 {
            let pulse = ((bits.take(3) << 1) - 7) << 12;
            let scaled = mult_r(SCALES[mantissa], pulse).saturating_add(rounding);
            pulses[grid as usize + 3 * index] = shift_right(scaled, shift);
        }
        let gain = GAINS[gain as usize];
        for (k, pulse) in pulses.into_iter().enumerate() {
            let predicted = mult_r(gain, self.excitation[120 + k - self.lag]);
            self.excitation[120 + k] = pulse.saturating_add(predicted);
        }
        out.copy_from_slice(&self.excitation[120..]);
        self.excitation.copy_within(40.., 0);
    }

    /// Short-term synthesis and de-emphasis (§5.3.3 to §5.3.7). The log area ratios move from the
    /// last frame's in three steps.
    fn synthesise(&mut self, ratios: &[i16; 8], excitation: &[i16; FRAME_SAMPLES], out: &mut Vec<f32>) {
        let old = self.ratios;
        let blend = |index: usize, step: usize| {
            let (before, now) = (old[index], ratios[index]);
            match step {
                0 => (before >> 2).saturating_add(now >> 2).saturating_add(before >> 1),
                1 => (before >> 1).saturating_add(now >> 1),
                2 => (before >> 2).saturating_add(now >> 2).saturating_add(now >> 1),
                _ => now,
            }
        };
        for (step, range) in [0..13, 13..27, 27..40, 40..160].into_iter().enumerate() {
            let reflections: [i16; 8] = std::array::from_fn(|index| reflection(blend(index, step)));
            for &x in &excitation[range] {
                let sample = self.lattice(&reflections, x);
                self.emphasis = sample.saturating_add(mult_r(self.emphasis, EMPHASIS));
                let output = self.emphasis.saturating_add(self.emphasis) & !7;
                out.push(f32::from(output) * SCALE);
            }
        }
    }

    fn lattice(&mut self, reflections: &[i16; 8], x: i16) -> i16 {
        let mut sample = x;
        for index in (0..8).rev() {
            sample = sample.saturating_sub(mult_r(reflections[index], self.lattice[index]));
            self.lattice[index + 1] = self.lattice[index].saturating_add(mult_r(reflections[index], sample));
        }
        self.lattice[0] = sample;
        sample
    }
}

/// Exponent and mantissa of a block's maximum (§5.2.15).
fn block_maximum(coded: i16) -> (i16, usize) {
    let mut exponent = if coded > 15 { (coded >> 3) - 1 } else { 0 };
    let mut mantissa = coded - (exponent << 3);
    if mantissa == 0 {
        return (-4, 7);
    }
    while mantissa <= 7 {
        mantissa = mantissa << 1 | 1;
        exponent -= 1;
    }
    (exponent, (mantissa - 8) as usize)
}

/// Reflection coefficient of a log area ratio (§5.2.9.2).
fn reflection(ratio: i16) -> i16 {
    let magnitude = ratio.saturating_abs();
    let coefficient = match magnitude {
        ..11_059 => magnitude << 1,
        11_059..20_070 => magnitude + 11_059,
        _ => (magnitude >> 2).saturating_add(26_112),
    };
    if ratio < 0 { -coefficient } else { coefficient }
}
