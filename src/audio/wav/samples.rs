//! Conversion of coded samples to f32: integers, IEEE 754 floats, G.711 by table.

use super::format::Coding;
use crate::audio::g711;
use crate::error::{Error, Result};

/// Decodes whole samples and appends them to `out`; an incomplete last sample is ignored.
///
/// Integers are divided by 2^(bits-1) of their container; 8-bit ones are unsigned, with silence at
/// 128. NaN and infinity are passed on, for the caller knows their frame.
pub(in crate::audio) fn decode(coding: Coding, bytes: &[u8], out: &mut Vec<f32>) -> Result<()> {
    match coding {
        Coding::Int { bytes: width, valid_bits } => {
            if valid_bits < 8 * width {
                check_justification(bytes, width, valid_bits)?;
            }
            match width {
                1 => scaled::<1>(bytes, out, |[byte]| i32::from(byte) - 128),
                2 => scaled::<2>(bytes, out, |word| i32::from(i16::from_le_bytes(word))),
                3 => scaled::<3>(bytes, out, i24_from_le_bytes),
                _ => scaled::<4>(bytes, out, i32::from_le_bytes),
            }
        }
        Coding::Float32 => out.extend(bytes.as_chunks().0.iter().map(|&word| f32::from_le_bytes(word))),
        Coding::Float64 => out.extend(bytes.as_chunks().0.iter().map(|&word| f64::from_le_bytes(word) as f32)),
        Coding::ALaw => out.extend(bytes.iter().map(|&byte| g711::A_LAW[usize::from(byte)])),
        Coding::MuLaw => out.extend(bytes.iter().map(|&byte| g711::MU_LAW[usize::from(byte)])),
    }
    Ok(())
}

/// Decodes integers of `WIDTH` bytes, scaled to a full scale of 1.0.
fn scaled<const WIDTH: usize>(bytes: &[u8], out: &mut Vec<f32>, integer: impl Fn([u8; WIDTH]) -> i32) {
    let scale = 1.0 / (1_u64 << (8 * WIDTH - 1)) as f32;
    out.extend(bytes.as_chunks::<WIDTH>().0.iter().map(|&word| integer(word) as f32 * scale));
}

/// Little-endian 24-bit integer, sign-extended.
fn i24_from_le_bytes([low, middle, high]: [u8; 3]) -> i32 {
    i32::from_le_bytes([0, low, middle, high]) >> 8
}

/// Refuses samples that are right-justified in their container.
///
/// The standard left-justifies them. Right-justified ones would come out 2^(container - valid)
/// times too quiet. The only sign is that bits below the valid ones are set while every sample fits
/// into the valid bits alone.
fn check_justification(bytes: &[u8], width: u16, valid_bits: u16) -> Result<()> {
    let spare = 8 * width - valid_bits;
    let (low, half) = ((1_i64 << spare) - 1, 1_i64 << (valid_bits - 1));
    let (mut below, mut fits) = (false, true);
    for word in bytes.chunks_exact(usize::from(width)) {
        let word = match *word {
            [a] => i64::from(a) - 128,
            [a, b] => i64::from(i16::from_le_bytes([a, b])),
            [a, b, c] => i64::from(i24_from_le_bytes([a, b, c])),
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            _ => return Ok(()),
        };
        below |= word & low != 0;
        fits &= (-half..half).contains(&word);
    }
    if below && fits {
        return Err(Error::malformed(
            "WAV",
            format!(
                "samples of {valid_bits} valid bits are right-justified in their {} bits, but the format requires left-justified ones; \
                 they would be too quiet; export it again as plain 16 or 24 bit",
                8 * width
            ),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(coding: Coding, bytes: &[u8]) -> Vec<f32> {
        let mut out = Vec::new();
        decode(coding, bytes, &mut out).unwrap();
        out
    }

    #[test]
    fn integers_are_scaled_to_full_scale_1() {
        let int = |bytes| Coding::Int { bytes, valid_bits: 8 * bytes };
        assert_eq!(decoded(int(1), &[0, 128, 255]), [-1.0, 0.0, 127.0 / 128.0]);
        assert_eq!(decoded(int(2), &[0, 0x80, 0, 0, 0xFF, 0x7F]), [-1.0, 0.0, 32767.0 / 32768.0]);
        assert_eq!(decoded(int(3), &[0, 0, 0x80, 1, 0, 0]), [-1.0, 1.0 / 8_388_608.0]);
        assert_eq!(decoded(int(4), &[0, 0, 0, 0x80, 0, 0, 0, 0x40]), [-1.0, 0.5]);
    }

    #[test]
    fn floats_of_both_widths_are_decoded() {
        assert_eq!(decoded(Coding::Float32, &0.25_f32.to_le_bytes()), [0.25]);
        assert_eq!(decoded(Coding::Float64, &(-0.75_f64).to_le_bytes()), [-0.75]);
        assert!(decoded(Coding::Float64, &1e300_f64.to_le_bytes())[0].is_infinite());
    }

    #[test]
    fn left_justified_24_in_32_is_decoded_and_right_justified_is_refused() {
        let coding = Coding::Int { bytes: 4, valid_bits: 24 };
        let top: Vec<u8> = [0x4000_0000_i32, -0x4000_0000].iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(decoded(coding, &top), [0.5, -0.5]);
        let bottom: Vec<u8> = [0x0040_0001_i32, -0x0040_0001].iter().flat_map(|w| w.to_le_bytes()).collect();
        let error = decode(coding, &bottom, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("24 valid bits are right-justified"), "{error}");
    }
}
