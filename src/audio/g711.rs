//! ITU-T G.711 (1988): A-law and µ-law, the telephone codings with 8 bits per sample, decoded by
//! table.
//!
//! A byte holds a sign, a segment (3 bits) and a step in the segment (4 bits). Values use the
//! common 16-bit scale: A-law's 13-bit and µ-law's 14-bit values are left-justified, so that full
//! scale is 32768. The largest values are 32256 (A-law) and 32124 (µ-law).
//!
//! Two tables of 256 values need no dependency; they serve WAV as well as raw PCM, in every build.

/// Samples in [-1, 1] by A-law byte.
pub(super) static A_LAW: [f32; 256] = {
    let mut table = [0.0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = a_law(byte as u8) as f32 / 32768.0;
        byte += 1;
    }
    table
};

/// Samples in [-1, 1] by µ-law byte.
pub(super) static MU_LAW: [f32; 256] = {
    let mut table = [0.0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = mu_law(byte as u8) as f32 / 32768.0;
        byte += 1;
    }
    table
};

/// Decodes A-law (G.711, table 1): every second bit is inverted; segment 0 is linear, each further
/// one doubles the step.
///
/// ```text
/// x = (2·step + 1) · 8                    segment = 0
/// x = (2·step + 33) · 8 · 2^(segment-1)   segment > 0      sign bit 1: positive
/// ```
const fn a_law(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let (segment, step) = ((code >> 4) & 7, (code & 15) as i16);
    let magnitude = if segment == 0 { (2 * step + 1) * 8 } else { ((2 * step + 33) * 8) << (segment - 1) };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

/// Decodes µ-law (G.711, table 2): all bits are inverted.
///
/// ```text
/// x = ((2·step + 33) · 2^segment - 33) · 4      sign bit 0: positive (after inversion)
/// ```
const fn mu_law(byte: u8) -> i16 {
    let code = !byte;
    let (segment, step) = ((code >> 4) & 7, (code & 15) as i16);
    let magnitude = (((2 * step + 33) << segment) - 33) * 4;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All 256 codes, decoded by sox.
    fn by_sox(bytes: &[u8]) -> Vec<f32> {
        bytes.as_chunks().0.iter().map(|&word| f32::from(i16::from_le_bytes(word)) / 32768.0).collect()
    }

    #[test]
    fn both_tables_equal_those_of_sox() {
        assert_eq!(A_LAW.to_vec(), by_sox(include_bytes!("../../tests/golden/audio/alaw.i16")));
        assert_eq!(MU_LAW.to_vec(), by_sox(include_bytes!("../../tests/golden/audio/mulaw.i16")));
    }

    /// The midpoints of the standard's decision intervals, in f64 and without shifts: A-law in
    /// units of 1/4096 (segment 0 and 1 share the step 2), µ-law in units of 1/8192 (bias 33).
    #[test]
    fn both_tables_are_the_midpoints_of_the_standards_intervals() {
        for byte in 0..=255_u8 {
            let code = byte ^ 0x55;
            let (sign, segment, step) = (code >= 128, i32::from(code / 16 % 8), f64::from(code % 16));
            let width = 2_f64.powi(segment.max(1));
            let start = if segment == 0 { 0.0 } else { 16.0 * width };
            let middle = (start + (step + 0.5) * width) / 4096.0;
            assert_eq!(f64::from(A_LAW[usize::from(byte)]), if sign { middle } else { -middle }, "A-law {byte:#x}");

            let code = 255 - byte;
            let (sign, segment, step) = (code >= 128, i32::from(code / 16 % 8), f64::from(code % 16));
            let middle = ((2.0 * step + 33.0) * 2_f64.powi(segment) - 33.0) / 8192.0;
            assert_eq!(f64::from(MU_LAW[usize::from(byte)]), if sign { -middle } else { middle }, "µ-law {byte:#x}");
        }
    }
}
