//! WAV decoder: from the first chunk to blocks of samples.
//!
//! Why not a library? WAV is the format of most recordings, and the one that every build reads;
//! what is wrong with such a file must be found and said exactly. As of their sources:
//!
//! - hound 3.5.1 does not skip the padding byte of an odd chunk, has neither A-law nor µ-law, takes
//!   a data length of 0 or 0xFFFF_FFFF literally, refuses a byte rate of 0, and reports a truncated
//!   file as "not enough bytes". On the files that it reads, a test compares its samples with ours.
//! - symphonia-format-riff 0.6 recognises 0xFFFF_FFFF alone as an open length, only logs a block
//!   align that contradicts the other fields, ignores a wrong byte rate and the bytes of an
//!   incomplete last frame, and refuses G.711 unless its fmt chunk has 18 bytes, and more than 26
//!   channels. It does not detect right-justified samples.

mod chunks;
pub(super) mod format;
pub(super) mod samples;

use self::chunks::Extent;
use self::format::{Coding, Format};
use super::limits::Limits;
use super::source::Source;
use super::spec::{Container, Spec};
use crate::error::{Error, Result};

/// Maximum frames per block.
const BLOCK_FRAMES: usize = 4096;
/// Maximum samples per block, which limits blocks of more than two channels.
const BLOCK_SAMPLES: usize = 8192;

/// Streaming decoder of a WAV file.
pub(super) struct WavReader {
    source: Source,
    format: Format,
    extent: Extent,
    /// Bytes of samples decoded so far.
    done: u64,
    /// Largest float magnitude so far.
    peak: f32,
    ended: bool,
    accept_truncated: bool,
    warnings: Vec<String>,
}

impl WavReader {
    /// Reads all chunks before the samples. The source must be at `RIFF`.
    pub(super) fn new(mut source: Source, limits: &Limits) -> Result<(Self, Spec)> {
        let (mut format, extent) = chunks::find_samples(&mut source, limits)?;
        let mut warnings: Vec<String> = format.warning.take().into_iter().collect();
        require_one_frame(source.peek(format.frame_bytes())?.len(), extent, format.frame_bytes())?;
        if extent == Extent::ToTheEnd {
            warnings.push(
                "the WAV header leaves the length open (a stream, or a recorder that stopped early); read to the end"
                    .to_owned(),
            );
        }
        let total_frames = match extent {
            Extent::Bytes(bytes) => Some(bytes / format.frame_bytes() as u64),
            Extent::ToTheEnd => None,
        };
        let spec = Spec {
            sample_rate_hz: format.sample_rate_hz,
            channels: format.channels,
            container: Container::Wav,
            codec: format.coding.name(),
            total_frames,
        };
        let accept_truncated = limits.accept_truncated;
        let reader = Self { source, format, extent, done: 0, peak: 0.0, ended: false, accept_truncated, warnings };
        Ok((reader, spec))
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// See [`Decoder::read_block`](super::Decoder::read_block).
    pub(super) fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        block.clear();
        if self.ended {
            return Ok(0);
        }
        let frame_bytes = self.format.frame_bytes();
        let most = (BLOCK_SAMPLES / usize::from(self.format.channels)).clamp(1, BLOCK_FRAMES) * frame_bytes;
        let left = match self.extent {
            Extent::Bytes(bytes) => bytes.saturating_sub(self.done),
            Extent::ToTheEnd => u64::MAX,
        };
        let wanted = left.min(most as u64) as usize;
        let bytes = self.source.peek(wanted)?;
        let whole = bytes.len() - bytes.len() % frame_bytes;
        samples::decode(self.format.coding, &bytes[..whole], block)?;
        let (there, frames) = (bytes.len(), whole / frame_bytes);
        if matches!(self.format.coding, Coding::Float32 | Coding::Float64) {
            self.check_finite(block)?;
        }
        self.source.consume(there);
        self.done += there as u64;
        if there < most || there as u64 == left {
            self.ended = true;
            self.finish()?;
        }
        Ok(frames)
    }

    /// Refuses NaN and infinity with their position; records the peak for a warning.
    fn check_finite(&mut self, block: &[f32]) -> Result<()> {
        let peak = block.iter().fold(0.0_f32, |peak, x| peak.max(x.abs()));
        let bad = block.iter().position(|x| !x.is_finite());
        self.peak = self.peak.max(peak);
        let Some(index) = bad else { return Ok(()) };
        let channels = usize::from(self.format.channels);
        let frame = self.done / self.format.frame_bytes() as u64 + (index / channels) as u64;
        Err(malformed(format!(
            "the sample at frame {frame} ({:.3} s), channel {} is {}, not a number; fix the tool that wrote this float file",
            frame as f64 / f64::from(self.format.sample_rate_hz),
            index % channels + 1,
            block[index]
        )))
    }

    /// Checks that are possible only at the end: the length that the header claims, and the peak.
    fn finish(&mut self) -> Result<()> {
        if self.peak > 1.0 {
            self.warnings
                .push(format!("float samples reach {:.3}, beyond full scale (1.0); kept as they are", self.peak));
        }
        let Some(problem) = self.shortfall() else { return Ok(()) };
        if self.accept_truncated || self.extent == Extent::ToTheEnd {
            self.warnings.push(problem);
            return Ok(());
        }
        Err(malformed(format!(
            "{problem}; get the file again, or accept truncated input (--accept-truncated) to use what is there"
        )))
    }

    /// Describes missing bytes or frames.
    fn shortfall(&self) -> Option<String> {
        let frame_bytes = self.format.frame_bytes() as u64;
        let (frames, part) = (self.done / frame_bytes, self.done % frame_bytes);
        match self.extent {
            Extent::Bytes(promised) if self.done < promised => Some(format!(
                "the data chunk claims {promised} bytes ({} frames), the input ends after {} ({frames} frames): {} bytes are missing",
                promised / frame_bytes,
                self.done,
                promised - self.done
            )),
            _ if part > 0 => Some(format!("the last frame has {part} of {frame_bytes} bytes")),
            _ => None,
        }
    }
}

/// Refuses a file without one complete frame, by its header or by its bytes.
fn require_one_frame(there: usize, extent: Extent, frame_bytes: usize) -> Result<()> {
    let claimed = match extent {
        Extent::Bytes(bytes) => bytes,
        Extent::ToTheEnd => u64::MAX,
    };
    if there >= frame_bytes && claimed >= frame_bytes as u64 {
        return Ok(());
    }
    let claim = if extent == Extent::ToTheEnd { String::new() } else { format!("claims {claimed} bytes and ") };
    let held = there.min(claimed as usize);
    Err(malformed(format!("the data chunk {claim}has {held} bytes: there is not a single sample; check the recording")))
}

fn malformed(what: impl Into<String>) -> Error {
    Error::malformed("WAV", what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::testing::{Decoded, Random, Wav, chunk, decode, decode_within};

    fn lenient(bytes: &[u8]) -> Result<Decoded> {
        decode_within(bytes, &Limits { accept_truncated: true, ..Limits::default() })
    }

    /// `Wav::mono16(&[1, 2])` with one change.
    fn changed(change: impl FnOnce(&mut Wav)) -> Vec<u8> {
        let mut wav = Wav::mono16(&[1, 2]);
        change(&mut wav);
        wav.bytes()
    }

    fn assert_error(what: &str, bytes: &[u8], variant: &str, words: &[&str]) {
        let error = decode(bytes).expect_err(what);
        let found = match error {
            Error::Malformed { format: "WAV", .. } => "Malformed",
            Error::Unsupported(_) => "Unsupported",
            Error::Limit { .. } => "Limit",
            _ => "another",
        };
        assert_eq!(found, variant, "{what}: {error}");
        for word in words {
            assert!(error.to_string().contains(word), "{what}: `{word}` is not in: {error}");
        }
    }

    #[test]
    fn invalid_headers_are_refused_with_the_reason() {
        let cases: Vec<(&str, Vec<u8>, &str, &[&str])> = vec![
            ("0 Hz", changed(|w| w.rate_hz = 0), "Malformed", &["sample rate is 0 Hz"]),
            ("3999 Hz", changed(|w| w.rate_hz = 3999), "Unsupported", &["3999 Hz", "4000 to 384000", "-ar 16000"]),
            ("384001 Hz", changed(|w| w.rate_hz = 384_001), "Unsupported", &["384001 Hz"]),
            ("0 channels", changed(|w| w.channels = 0), "Malformed", &["0 channels"]),
            ("65 channels", changed(|w| w.channels = 65), "Limit", &["channels is 65", "at most 64"]),
            ("65,535 channels", changed(|w| w.channels = 65_535), "Limit", &["channels is 65535"]),
            ("block align 0", changed(|w| w.block_align = Some(0)), "Malformed", &["block align is 0", "make 2"]),
            ("block align 4", changed(|w| w.block_align = Some(4)), "Malformed", &["block align is 4"]),
            (
                "byte rate",
                changed(|w| w.byte_rate = Some(44_100)),
                "Malformed",
                &["44100 bytes per second", "in doubt"],
            ),
            ("12 bits", changed(|w| w.bits = 12), "Unsupported", &["PCM WAV of 12 bits"]),
            ("0 bits", changed(|w| w.bits = 0), "Unsupported", &["PCM WAV of 0 bits"]),
            (
                "24 bits in 4 bytes",
                changed(|w| (w.bits, w.block_align) = (24, Some(4))),
                "Malformed",
                &["block align is 4"],
            ),
            ("16-bit float", changed(|w| w.tag = 3), "Unsupported", &["float WAV of 16 bits"]),
            ("16-bit A-law", changed(|w| w.tag = 6), "Unsupported", &["A-law WAV of 16 bits"]),
            ("ADPCM", changed(|w| w.tag = 0x11), "Unsupported", &["IMA ADPCM (tag 17)", "ffmpeg"]),
            ("MP3 in WAV", changed(|w| w.tag = 0x55), "Unsupported", &["MP3 (tag 85)"]),
            ("no extension", changed(|w| w.tag = 0xFFFE), "Malformed", &["fmt chunk has 16 bytes"]),
            ("valid bits", Wav::mono16(&[1]).extensible(17).bytes(), "Malformed", &["17 valid bits in samples of 16"]),
        ];
        for (what, bytes, variant, words) in cases {
            assert_error(what, &bytes, variant, words);
        }
        let mut strange = Wav::mono16(&[1]).extensible(16);
        strange.extension[20] ^= 1;
        assert_error("strange GUID", &strange.bytes(), "Unsupported", &["sub-format"]);
    }

    #[test]
    fn misplaced_chunks_are_refused_with_the_reason() {
        let good = Wav::mono16(&[1, 2]).bytes();
        let data_first = [&good[..12], &chunk(*b"data", &[1, 0])].concat();
        let two_fmts = [&good[..36], &good[12..]].concat();
        let short_fmt = [&good[..12], &chunk(*b"fmt ", &good[20..30])].concat();
        let long_list = [&good[..36], b"LIST\xFF\xFF\xFF\x7Fabc"].concat();
        let unpadded = [&good[..36], b"LIST\x03\0\0\0abcdata\x04\0\0\0\0\0"].concat();
        let cases: [(&str, &[u8], &[&str]); 8] = [
            ("no chunk", &good[..12], &["ends at byte 12", "before any data chunk"]),
            ("no data chunk", &good[..36], &["ends at byte 36"]),
            ("44 bytes and no sample", &changed(|w| w.samples.clear()), &["not a single sample"]),
            ("data before fmt", &data_first, &["before any fmt chunk"]),
            ("two fmt chunks", &two_fmts, &["two fmt chunks"]),
            ("fmt of 10 bytes", &short_fmt, &["has 10 bytes, at least 12"]),
            ("LIST of 2 GB", &long_list, &["`LIST` chunk at byte 44 claims 2147483648 bytes", "after 3"]),
            ("no padding byte", &unpadded, &["is not a chunk identifier"]),
        ];
        for (what, bytes, words) in cases {
            assert_error(what, bytes, "Malformed", words);
        }
    }

    #[test]
    fn chunks_before_the_samples_are_skipped_with_their_padding() {
        let before = [chunk(*b"LIST", b"INFOodd"), chunk(*b"fact", &[2, 0, 0, 0]), chunk(*b"bext", &[7; 602])].concat();
        let recording = decode(&changed(|w| w.before = before)).unwrap();
        assert_eq!(recording.samples, [1.0 / 32768.0, 2.0 / 32768.0]);
        let behind = [Wav::mono16(&[1, 2]).bytes(), chunk(*b"LIST", b"INFO")].concat();
        assert_eq!(decode(&behind).unwrap().frames(), 2);
    }

    #[test]
    fn an_open_length_is_read_to_the_end_with_a_warning() {
        for claim in [0, u32::MAX, 0x7FFF_F000] {
            let recording = decode(&changed(|w| w.claim = Some(claim))).unwrap();
            assert_eq!((recording.frames(), recording.spec.total_frames), (2, None));
            assert!(recording.warnings[0].contains("leaves the length open"));
        }
        let odd = decode(&changed(|w| (w.claim, w.samples) = (Some(0), vec![0, 0, 1]))).unwrap();
        assert!(odd.frames() == 1 && odd.warnings[1].contains("1 of 2 bytes"), "{:?}", odd.warnings);
        let no_sound = [changed(|w| w.samples.clear()), chunk(*b"LIST", b"INFO")].concat();
        assert_error("a true length of 0", &no_sound, "Malformed", &["not a single sample"]);
    }

    #[test]
    fn missing_bytes_are_an_error_or_a_warning() {
        let cut = changed(|w| w.claim = Some(100));
        assert_error(
            "cut",
            &cut,
            "Malformed",
            &["claims 100 bytes (50 frames)", "after 4 (2 frames)", "96 bytes are missing"],
        );
        let kept = lenient(&cut).unwrap();
        assert!(kept.frames() == 2 && kept.warnings[0].contains("96 bytes are missing"));
        let part = changed(|w| w.samples.push(0));
        assert_error("part of a frame", &part, "Malformed", &["1 of 2 bytes"]);
        assert_eq!(lenient(&part).unwrap().frames(), 2);
        let nothing = changed(|w| (w.claim, w.samples) = (Some(100), vec![0]));
        assert!(lenient(&nothing).unwrap_err().to_string().contains("claims 100 bytes and has 1"));
    }

    #[test]
    fn a_byte_rate_of_0_gives_a_warning() {
        let recording = decode(&changed(|w| w.byte_rate = Some(0))).unwrap();
        assert!(recording.frames() == 2 && recording.warnings[0].contains("0 bytes per second"));
    }

    fn float(samples: &[f32]) -> Wav {
        Wav::new(3, 32, samples.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    #[test]
    fn nan_and_infinity_are_errors_with_their_position() {
        for (bad, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
            let mut wav = float(&vec![0.1; 20_000]);
            wav.channels = 2;
            wav.samples[4 * 16_001..4 * 16_002].copy_from_slice(&bad.to_le_bytes());
            assert_error(name, &wav.bytes(), "Malformed", &["frame 8000 (0.500 s), channel 2", name]);
        }
    }

    #[test]
    fn floats_beyond_full_scale_are_kept_with_one_warning() {
        let mut samples = vec![0.5_f32; 20_000];
        (samples[3], samples[19_000]) = (1.5, -2.25);
        let recording = decode(&float(&samples).bytes()).unwrap();
        assert_eq!(recording.samples, samples);
        assert_eq!(recording.warnings.len(), 1);
        assert!(recording.warnings[0].contains("2.250"), "{:?}", recording.warnings);
    }

    #[test]
    fn extensible_files_are_decoded_by_their_guid() {
        let plain = Wav::mono16(&[100, -100]);
        let extensible = Wav::mono16(&[100, -100]).extensible(16);
        assert_eq!(decode(&extensible.bytes()).unwrap().samples, decode(&plain.bytes()).unwrap().samples);
        let alaw = Wav::new(6, 8, vec![0xD5, 0x55, 0xAA]).extensible(8).bytes();
        assert_eq!(decode(&alaw).unwrap().samples, [8.0 / 32768.0, -8.0 / 32768.0, 32256.0 / 32768.0]);
        let unstated = Wav::mono16(&[100]).extensible(0).bytes();
        assert_eq!(decode(&unstated).unwrap().samples, [100.0 / 32768.0]);
    }

    #[test]
    fn any_header_gives_an_error_or_complete_frames() {
        let mut random = Random(42);
        let mut accepted = 0;
        for _ in 0..20_000 {
            let mut bytes = Wav::new(1, 16, vec![1; 96]).extensible(16).bytes();
            for _ in 0..=random.below(3) {
                let at = 12 + random.below(60);
                bytes[at] = random.below(256) as u8;
            }
            if let Ok(recording) = lenient(&bytes) {
                accepted += 1;
                assert_eq!(recording.samples.len() % usize::from(recording.spec.channels), 0);
                assert!(recording.frames() > 0 && recording.samples.iter().all(|x| x.is_finite()));
            }
        }
        assert!(accepted > 1000, "only {accepted} accepted");
    }
}
