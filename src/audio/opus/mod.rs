//! Opus packets to samples (RFC 6716), at 48 kHz, whatever rate the encoder was given.
//!
//! `Cargo.toml` says why this decoder was chosen. It decodes in two channels; a mono stream is their
//! mean, which for mono packets is exact. Output beyond full scale is not clipped in CELT mode and
//! is in the others, as the dependency has it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};

/// Sample rate of all Opus output, Hz.
pub(super) const RATE_HZ: u32 = 48_000;
/// Longest packet, frames: 120 ms.
pub(super) const MOST_FRAMES: usize = 5760;
const FORMAT: &str = "Opus";

/// The identification header (RFC 7845 §5.1).
///
/// ```text
/// 0  `OpusHead`     8  version u8       9  channels u8      10 pre-skip u16
/// 12 input rate u32                     16 output gain i16, dB in 8.8   18 mapping family u8
/// 19 streams u8, coupled streams u8, mapping [channels]     families other than 0
/// ```
///
/// Numbers are little-endian. MP4's `dOps` (version 0) has the same fields in big-endian.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Head {
    /// 1 or 2.
    pub(super) channels: u16,
    /// Frames to drop at the start, at 48 kHz.
    pub(super) pre_skip: u16,
    /// Factor of the output.
    gain: f32,
}

impl Head {
    /// Parses and validates the header.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`], and [`Error::Unsupported`] for several streams (surround).
    pub(super) fn parse(bytes: &[u8]) -> Result<Self> {
        let malformed = |what: String| Error::malformed(FORMAT, format!("{what}; get the file again"));
        let Some((b"OpusHead", fields)) = bytes.split_first_chunk() else {
            return Err(malformed("its header does not begin with `OpusHead`".to_owned()));
        };
        let Some(&[version, channels, p0, p1, _, _, _, _, g0, g1, family]) = fields.first_chunk() else {
            return Err(malformed(format!("its header has {} bytes, at least 19 are needed", bytes.len())));
        };
        if version >> 4 != 0 {
            return Err(Error::Unsupported(format!("Opus of version {version}; convert it: ffmpeg -i IN OUT.wav")));
        }
        let (pre_skip, gain) = if version == 0 {
            (u16::from_be_bytes([p0, p1]), i16::from_be_bytes([g0, g1]))
        } else {
            (u16::from_le_bytes([p0, p1]), i16::from_le_bytes([g0, g1]))
        };
        // One stream in family 1 (Vorbis' order of channels) is what family 0 is.
        let one_stream = family == 0 || (family == 1 && fields.get(11) == Some(&1));
        match channels {
            0 => return Err(malformed("its header states 0 channels".to_owned())),
            1 | 2 if one_stream => {}
            _ => {
                return Err(Error::Unsupported(format!(
                    "Opus with {channels} channels in several streams (mapping family {family}); mix it to stereo: \
                     ffmpeg -i IN -ac 2 OUT.wav"
                )));
            }
        }
        let gain = 10_f32.powf(f32::from(gain) / (20.0 * 256.0));
        Ok(Self { channels: channels.into(), pre_skip, gain })
    }
}

/// Length of a packet in frames at 48 kHz, by its first two bytes (RFC 6716 §3.1); `None` for one
/// that is invalid or longer than 120 ms.
pub(super) fn packet_frames(packet: &[u8]) -> Option<usize> {
    let first = *packet.first()?;
    let configuration = usize::from(first >> 3);
    let frame = match configuration {
        0..12 => [480, 960, 1920, 2880][configuration & 3], // SILK
        12..16 => [480, 960][configuration & 1],            // hybrid
        _ => [120, 240, 480, 960][configuration & 3],       // CELT
    };
    let count = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => usize::from(packet.get(1)? & 0x3F),
    };
    Some(frame * count).filter(|frames| (1..=MOST_FRAMES).contains(frames))
}

/// Decoder of one stream.
pub(super) struct OpusDecoder {
    decoder: rusty_opus::OpusDecoder,
    head: Head,
    stereo: Vec<f32>,
}

impl OpusDecoder {
    pub(super) fn new(head: Head) -> Result<Self> {
        Ok(Self { decoder: decoder()?, head, stereo: Vec::new() })
    }

    /// Number of channels, 1 or 2.
    pub(super) fn channels(&self) -> u16 {
        self.head.channels
    }

    /// Decodes a packet and appends its interleaved samples, [`packet_frames`] of each channel.
    ///
    /// # Errors
    ///
    /// What is wrong with the packet; nothing is appended.
    pub(super) fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> std::result::Result<(), String> {
        let frames = packet_frames(packet).ok_or("its length is invalid")?;
        self.stereo.clear();
        self.stereo.resize(2 * frames, 0.0);
        let (decoder, stereo) = (&mut self.decoder, &mut self.stereo);
        let decoded = catch_unwind(AssertUnwindSafe(|| decoder.decode(packet, frames, stereo)));
        let Ok(decoded) = decoded else {
            self.decoder = self::decoder().map_err(|error| error.to_string())?;
            return Err("its decoder failed".to_owned());
        };
        let got = decoded.map_err(|error| error.to_string())?;
        if got != frames || self.stereo.iter().any(|x| !x.is_finite()) {
            return Err("it decodes to a wrong length, or to NaN or infinity".to_owned());
        }
        let gain = self.head.gain;
        if self.head.channels == 1 {
            out.extend(self.stereo.as_chunks::<2>().0.iter().map(|[left, right]| gain * 0.5 * (left + right)));
        } else {
            out.extend(self.stereo.iter().map(|x| gain * x));
        }
        Ok(())
    }
}

fn decoder() -> Result<rusty_opus::OpusDecoder> {
    rusty_opus::OpusDecoder::new(RATE_HZ as i32, 2).map_err(|error| Error::Internal(format!("Opus decoder: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(channels: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        [b"OpusHead\x01", &[channels, 0x38, 0x01, 0x80, 0xBB, 0, 0, 0, 0xFA, family][..], rest].concat()
    }

    #[test]
    fn headers_of_one_stream_are_read() {
        let parsed = Head::parse(&head(2, 0, &[])).unwrap();
        assert_eq!((parsed.channels, parsed.pre_skip), (2, 312));
        assert!((parsed.gain - 10_f32.powf(-6.0 / 20.0)).abs() < 1e-6, "-6 dB: {}", parsed.gain);
        assert_eq!(Head::parse(&head(1, 1, &[1, 0, 0])).unwrap().channels, 1);
        let mp4 = b"OpusHead\0\x01\x01\x38\0\0\xBB\x80\0\0\0";
        assert_eq!(Head::parse(mp4).unwrap().pre_skip, 312);
    }

    #[test]
    fn other_headers_are_refused() {
        for (bytes, word) in [
            (head(6, 1, &[4, 2, 0, 4, 1, 2, 3, 5]), "6 channels in several streams"),
            (head(2, 255, &[2, 0, 0, 1]), "family 255"),
            (head(0, 0, &[]), "0 channels"),
            (b"OpusHead\x01\x02".to_vec(), "has 10 bytes"),
            (b"OpusTags\x01\x02".to_vec(), "does not begin"),
            (head(2, 0, &[]).iter().enumerate().map(|(at, &b)| if at == 8 { 0x10 } else { b }).collect(), "version 16"),
        ] {
            let error = Head::parse(&bytes).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn packet_lengths_follow_the_first_bytes() {
        for (packet, frames) in [
            (&[0x08][..], Some(960)), // SILK, 20 ms
            (&[0x18], Some(2880)),    // SILK, 60 ms
            (&[0x19], Some(5760)),    // two of them
            (&[0x78], Some(960)),     // hybrid, 20 ms
            (&[0x81], Some(240)),     // CELT, two of 2.5 ms
            (&[0xFB, 6], Some(5760)), // CELT, six of 20 ms
            (&[0xFB, 7], None),       // longer than 120 ms
            (&[0xFB, 0], None),       // no frame
            (&[0xFB], None),          // no count
            (&[], None),
        ] {
            assert_eq!(packet_frames(packet), frames, "{packet:02x?}");
        }
    }

    #[test]
    fn any_packet_decodes_or_is_refused() {
        let mut random = crate::audio::testing::Random(3);
        let mut decoder = OpusDecoder::new(Head::parse(&head(2, 0, &[])).unwrap()).unwrap();
        let mut decoded = 0;
        for _ in 0..2000 {
            let packet: Vec<u8> = (0..random.below(80)).map(|_| random.below(256) as u8).collect();
            let mut out = Vec::new();
            match decoder.decode(&packet, &mut out) {
                Ok(()) => {
                    decoded += 1;
                    assert_eq!(out.len(), 2 * packet_frames(&packet).unwrap());
                }
                Err(problem) => assert!(out.is_empty() && problem != "its decoder failed", "{problem}: {packet:02x?}"),
            }
        }
        assert!(decoded > 500, "only {decoded}");
    }
}
