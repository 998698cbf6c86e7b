//! Raw PCM and G.711: samples without a header, in a format such as `s16le:8000:1` that the caller
//! states.

use std::fmt;
use std::str::FromStr;

use super::limits::Limits;
use super::source::Source;
use super::spec::{Container, Spec};
use super::wav::format::Coding;
use super::wav::samples;
use super::wholeness::Wholeness;
use crate::error::{Error, Result};

/// Maximum frames per block.
const BLOCK_FRAMES: usize = 4096;
/// Maximum samples per block, which limits blocks of more than two channels.
const BLOCK_SAMPLES: usize = 8192;

/// Format of samples without a header, written `ENCODING:RATE:CHANNELS`.
///
/// ```
/// use persona_engine::audio::RawFormat;
///
/// let format: RawFormat = "mulaw:8000:2".parse()?;
/// assert_eq!((format.sample_rate_hz(), format.channels()), (8000, 2));
/// assert!("s16:8000:1".parse::<RawFormat>().is_err()); // byte order missing
/// # Ok::<(), persona_engine::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFormat {
    encoding: &'static Encoding,
    sample_rate_hz: u32,
    channels: u16,
}

/// A named sample encoding.
#[derive(Debug, PartialEq, Eq)]
struct Encoding {
    name: &'static str,
    coding: Coding,
    big_endian: bool,
}

const fn int(name: &'static str, bytes: u16, big_endian: bool) -> Encoding {
    Encoding { name, coding: Coding::Int { bytes, valid_bits: 8 * bytes }, big_endian }
}

/// Encodings by the names of ffmpeg and sox.
static ENCODINGS: [Encoding; 8] = [
    int("s16le", 2, false),
    int("s16be", 2, true),
    int("s24le", 3, false),
    int("s32le", 4, false),
    int("u8", 1, false),
    Encoding { name: "f32le", coding: Coding::Float32, big_endian: false },
    Encoding { name: "mulaw", coding: Coding::MuLaw, big_endian: false },
    Encoding { name: "alaw", coding: Coding::ALaw, big_endian: false },
];

impl RawFormat {
    /// Frames per second, Hz.
    pub fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// Number of channels, at least 1.
    pub fn channels(&self) -> u16 {
        self.channels
    }
}

impl fmt::Display for RawFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.encoding.name, self.sample_rate_hz, self.channels)
    }
}

impl FromStr for RawFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(':').collect();
        let [encoding, rate, channels] = parts[..] else { return Err(unknown(text, "it needs three parts")) };
        let encoding = ENCODINGS.iter().find(|known| known.name == encoding);
        Ok(Self {
            encoding: encoding.ok_or_else(|| unknown(text, "the encoding is unknown"))?,
            sample_rate_hz: rate.parse().map_err(|_| unknown(text, "the rate is not a number of Hz"))?,
            channels: match channels.parse() {
                Ok(0) | Err(_) => return Err(unknown(text, "the number of channels is not 1 or more")),
                Ok(channels) => channels,
            },
        })
    }
}

fn unknown(text: &str, what: &str) -> Error {
    let names: Vec<&str> = ENCODINGS.iter().map(|encoding| encoding.name).collect();
    Error::usage(format!(
        "invalid raw format `{text}`: {what}; expected ENCODING:RATE:CHANNELS, such as s16le:8000:1; encodings: {}",
        names.join(", ")
    ))
}

/// Streaming decoder of raw samples.
pub(super) struct RawReader {
    source: Source,
    format: RawFormat,
    frames: u64,
    wholeness: Wholeness,
}

impl RawReader {
    pub(super) fn new(source: Source, format: &RawFormat, limits: &Limits) -> Result<(Self, Spec)> {
        limits.check_channels(format.channels, "raw PCM")?;
        limits.check_rate(format.sample_rate_hz, "raw PCM")?;
        let spec = Spec {
            sample_rate_hz: format.sample_rate_hz,
            channels: format.channels,
            container: Container::Raw,
            codec: format.encoding.coding.name(),
            total_frames: None,
        };
        let wholeness = Wholeness::new("raw PCM", limits);
        Ok((Self { source, format: format.clone(), frames: 0, wholeness }, spec))
    }

    pub(super) fn wholeness(&self) -> &Wholeness {
        &self.wholeness
    }

    /// Clears `block`, fills it with interleaved samples and returns the frames; 0 at the end.
    pub(super) fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        block.clear();
        let channels = usize::from(self.format.channels);
        let frame_bytes = channels * self.format.encoding.coding.bytes();
        let most = (BLOCK_SAMPLES / channels).clamp(1, BLOCK_FRAMES) * frame_bytes;
        let bytes = self.source.peek(most)?;
        let (there, whole) = (bytes.len(), bytes.len() - bytes.len() % frame_bytes);
        let encoding = self.format.encoding;
        if encoding.big_endian {
            let turned: Vec<u8> = bytes[..whole]
                .chunks_exact(encoding.coding.bytes())
                .flat_map(|word| word.iter().rev().copied())
                .collect();
            samples::decode(encoding.coding, &turned, block)?;
        } else {
            samples::decode(encoding.coding, &bytes[..whole], block)?;
        }
        self.source.consume(there);
        self.check(block, there - whole, frame_bytes)?;
        self.frames += (block.len() / channels) as u64;
        Ok(block.len() / channels)
    }

    /// Refuses samples that are no numbers, a part of a frame at the end, and an input without a
    /// frame.
    fn check(&mut self, block: &[f32], left_over: usize, frame_bytes: usize) -> Result<()> {
        if let Some(at) = block.iter().position(|x| !x.is_finite()) {
            let frame = self.frames + (at / usize::from(self.format.channels)) as u64;
            return Err(Error::malformed("raw PCM", format!("frame {frame} is {}; is it {}?", block[at], self.format)));
        }
        if self.frames == 0 && block.is_empty() {
            return Err(Error::malformed(
                "raw PCM",
                "it holds not a single sample; check how it was recorded or copied",
            ));
        }
        if left_over > 0 {
            let what =
                format!("it ends with {left_over} of {frame_bytes} bytes of a frame: cut, or not {}", self.format);
            self.wholeness.incomplete(&what, self.frames + block.len() as u64)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::Decoder;
    use super::*;

    fn decoded(format: &str, bytes: &[u8]) -> Result<Vec<f32>> {
        let mut decoder = Decoder::raw(Cursor::new(bytes.to_vec()), &format.parse()?, &Limits::default())?;
        let (mut all, mut block) = (Vec::new(), Vec::new());
        while decoder.read_block(&mut block)? > 0 {
            all.extend_from_slice(&block);
        }
        Ok(all)
    }

    #[test]
    fn every_encoding_is_read() {
        let cases: [(&str, &[u8], f32); 8] = [
            ("s16le", &[0x00, 0xC0], -0.5),
            ("s16be", &[0xC0, 0x00], -0.5),
            ("s24le", &[0, 0, 0x40], 0.5),
            ("s32le", &[0, 0, 0, 0x40], 0.5),
            ("u8", &[0xC0], 0.5),
            ("f32le", &[0, 0, 0, 0x3F], 0.5),
            ("mulaw", &[0x80], 32124.0 / 32768.0),
            ("alaw", &[0xAA], 32256.0 / 32768.0),
        ];
        for (name, word, value) in cases {
            assert_eq!(decoded(&format!("{name}:8000:1"), &word.repeat(9000)).unwrap(), vec![value; 9000], "{name}");
        }
    }

    #[test]
    fn invalid_formats_and_inputs_are_refused() {
        for (text, word) in [
            ("s16le", "three parts"),
            ("s16:8000:1", "encoding is unknown"),
            ("s16le:fast:1", "not a number of Hz"),
            ("s16le:8000:0", "channels is not 1 or more"),
            ("s16le:8000:1:2", "three parts"),
        ] {
            let message = text.parse::<RawFormat>().unwrap_err().to_string();
            assert!(message.contains(word) && message.contains("s16le:8000:1"), "{message}");
        }
        assert_eq!("alaw:8000:2".parse::<RawFormat>().unwrap().to_string(), "alaw:8000:2");
        assert!(decoded("s16le:99:1", &[0; 8]).unwrap_err().to_string().contains("99 Hz"));
        assert!(decoded("s16le:8000:1", &[]).unwrap_err().to_string().contains("not a single sample"));
        assert!(decoded("s16le:8000:2", &[0; 6]).unwrap_err().to_string().contains("2 of 4 bytes"));
        let nan = f32::NAN.to_le_bytes();
        assert!(decoded("f32le:8000:1", &nan).unwrap_err().to_string().contains("frame 0 is NaN"));
    }
}
