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

use self::chunks::{Behind, Extent, Layout};
use self::format::{Coding, Format};
use super::limits::Limits;
use super::source::Source;
use super::spec::{Container, Spec};
use super::wholeness::Wholeness;
use crate::error::{Error, Result};

/// Maximum frames per block.
const BLOCK_FRAMES: usize = 4096;
/// Maximum samples per block, which limits blocks of more than two channels.
const BLOCK_SAMPLES: usize = 8192;

/// Streaming decoder of a WAV file.
pub(super) struct WavReader {
    source: Source,
    format: Format,
    layout: Layout,
    /// Bytes of samples decoded so far.
    done: u64,
    /// Largest float magnitude so far.
    peak: f32,
    ended: bool,
    wholeness: Wholeness,
}

impl WavReader {
    /// Reads all chunks before the samples. The source must be at `RIFF`.
    pub(super) fn new(mut source: Source, limits: &Limits) -> Result<(Self, Spec)> {
        let (mut format, layout) = chunks::find_samples(&mut source, limits)?;
        let mut wholeness = Wholeness::new("WAV", limits);
        format.warnings.drain(..).for_each(|warning| wholeness.warn(warning));
        require_one_frame(source.peek(format.frame_bytes())?.len(), layout.extent, format.frame_bytes())?;
        let total_frames = match layout.extent {
            Extent::Bytes(bytes) => Some(bytes / format.frame_bytes() as u64),
            Extent::ToTheEnd(_) => None,
        };
        let spec = Spec {
            sample_rate_hz: format.sample_rate_hz,
            channels: format.channels,
            container: Container::Wav,
            codec: format.coding.name(),
            total_frames,
        };
        Ok((Self { source, format, layout, done: 0, peak: 0.0, ended: false, wholeness }, spec))
    }

    pub(super) fn wholeness(&self) -> &Wholeness {
        &self.wholeness
    }

    /// See [`Decoder::read_block`](super::Decoder::read_block).
    pub(super) fn read_block(&mut self, block: &mut Vec<f32>) -> Result<usize> {
        block.clear();
        if self.ended {
            return Ok(0);
        }
        let frame_bytes = self.format.frame_bytes();
        let most = (BLOCK_SAMPLES / usize::from(self.format.channels)).clamp(1, BLOCK_FRAMES) * frame_bytes;
        let left = match self.layout.extent {
            Extent::Bytes(bytes) | Extent::ToTheEnd(bytes) => bytes.saturating_sub(self.done),
        };
        let wanted = left.min(most as u64) as usize;
        if matches!(self.layout.extent, Extent::ToTheEnd(_))
            && let Some(at) = chunks::metadata_at_the_end(&mut self.source, wanted)?
        {
            self.open_length();
            self.layout.extent = Extent::Bytes(self.done + at as u64);
            return self.read_block(block);
        }
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
            self.end_of_samples()?;
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

    /// The input or the data chunk ends here: holds the header's lengths against what is there.
    fn end_of_samples(&mut self) -> Result<()> {
        self.ended = true;
        let frame_bytes = self.format.frame_bytes() as u64;
        match self.layout.extent {
            Extent::ToTheEnd(_) => self.open_length(),
            Extent::Bytes(promised) if self.done < promised => self.shortfall(promised)?,
            Extent::Bytes(promised) => match chunks::behind(&mut self.source, promised, frame_bytes)? {
                Behind::Metadata => {}
                Behind::Padding(bytes) => {
                    self.wholeness.warn(format!("{bytes} bytes behind the last chunk are no audio; passed over"));
                }
                Behind::Unaccounted(_, "no chunk") if self.layout.riff_bytes > promised + frame_bytes => {
                    self.continue_to_riff_end(promised);
                    return Ok(());
                }
                Behind::Unaccounted(bytes, what) => {
                    let frames = promised / frame_bytes;
                    self.wholeness.incomplete(
                            &format!(
                                "the data chunk states {promised} bytes ({frames} frames, {:.3} s), but {what} follows it \
                                 ({bytes} bytes or more): a length that was never updated, or two recordings joined? To read all \
                                 as samples: ffmpeg -ignore_length 1 -i IN OUT.wav",
                                frames as f64 / f64::from(self.format.sample_rate_hz)
                            ),
                            frames,
                        )?;
                }
            },
        }
        let part = self.done % frame_bytes;
        if part > 0 {
            self.wholeness.warn(format!("the last frame has {part} of {frame_bytes} bytes; ignored"));
        }
        if self.peak > 1.0 {
            let peak = self.peak;
            self.wholeness.warn(format!("float samples reach {peak:.3}, beyond full scale (1.0); kept as they are"));
        }
        Ok(())
    }

    fn open_length(&mut self) {
        self.wholeness.warn(
            "the WAV header leaves the length open (a stream, or a recorder that stopped early); read to the end",
        );
    }

    /// The length of the data chunk was not updated, but that of the file was: decoding goes on to
    /// the latter's end.
    fn continue_to_riff_end(&mut self, promised: u64) {
        let whole = self.layout.riff_bytes;
        self.wholeness.warn(format!(
            "the data chunk states {promised} bytes, the RIFF header {whole}, and no chunk follows the first: read all of them"
        ));
        self.layout.extent = Extent::Bytes(whole);
        self.ended = false;
    }

    /// The input ends before the promised bytes. It is whole if the RIFF header's length ends there
    /// too, or if the length counts the header itself.
    fn shortfall(&mut self, promised: u64) -> Result<()> {
        let (done, header) = (self.done, self.layout.header_bytes);
        let missing = promised - done;
        if self.layout.riff_bytes == done {
            self.wholeness.warn(format!(
                "the data chunk claims {promised} bytes, the file has {done}, as its RIFF header states; read to the end"
            ));
            return Ok(());
        }
        if [header, header - 8, 44, 36].contains(&missing) {
            self.wholeness.warn(format!(
                "the data chunk claims {promised} bytes, the input has {done}: the length counts the header too; read to the end"
            ));
            return Ok(());
        }
        let frame_bytes = self.format.frame_bytes() as u64;
        let (there, frames) = (done / frame_bytes, promised / frame_bytes);
        let problem = format!(
            "the data chunk claims {promised} bytes ({frames} frames), the input ends after {done} ({there} frames): {missing} bytes \
             are missing"
        );
        self.wholeness.incomplete(&problem, there)
    }
}

/// Refuses a file without one complete frame, by its header or by its bytes.
fn require_one_frame(there: usize, extent: Extent, frame_bytes: usize) -> Result<()> {
    let claimed = match extent {
        Extent::Bytes(bytes) => bytes,
        Extent::ToTheEnd(_) => u64::MAX,
    };
    if there >= frame_bytes && claimed >= frame_bytes as u64 {
        return Ok(());
    }
    let claim = if claimed == u64::MAX { String::new() } else { format!("claims {claimed} bytes and ") };
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
            ("block align 4", changed(|w| w.block_align = Some(4)), "Malformed", &["block align is 4"]),
            ("12 bits", changed(|w| w.bits = 12), "Unsupported", &["PCM WAV of 12 bits"]),
            ("0 bits", changed(|w| w.bits = 0), "Unsupported", &["PCM WAV of 0 bits"]),
            (
                "24 bits in 4 bytes",
                changed(|w| (w.bits, w.block_align) = (24, Some(4))),
                "Malformed",
                &["block align is 4"],
            ),
            ("16-bit float", changed(|w| w.tag = 3), "Unsupported", &["float WAV of 16 bits"]),
            ("ADPCM", changed(|w| w.tag = 0x10), "Unsupported", &["OKI ADPCM (tag 16)", "ffmpeg"]),
            ("layer II in WAV", changed(|w| w.tag = 0x50), "Unsupported", &["MPEG layer I or II (tag 80)"]),
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
        for claim in [0, u32::MAX, 0x7FFF_F000, 0x8000_0000, 0x7FFF_FFFF, 0x7FFF_0000, 0x7FFF_FFDA, 0xFFFF_FFD0] {
            let open = changed(|w| w.claim = Some(claim));
            for bytes in [open.clone(), [open, chunk(*b"LIST", b"INFOodd")].concat()] {
                let recording = decode(&bytes).unwrap();
                assert_eq!((recording.frames(), recording.spec.total_frames), (2, None), "{claim:#x}");
                assert_eq!(recording.warnings.len(), 1, "{:?}", recording.warnings);
                assert!(recording.warnings[0].contains("leaves the length open"));
            }
        }
        let odd = decode(&changed(|w| (w.claim, w.samples) = (Some(0), vec![0, 0, 1]))).unwrap();
        assert!(odd.frames() == 1 && odd.warnings[1].contains("1 of 2 bytes"), "{:?}", odd.warnings);
        let no_sound = [changed(|w| w.samples.clear()), chunk(*b"LIST", b"INFO")].concat();
        assert_error("a true length of 0", &no_sound, "Malformed", &["not a single sample"]);
    }

    #[test]
    fn missing_bytes_are_an_error_or_a_warning() {
        let mut cut = changed(|w| w.claim = Some(100));
        cut[4] = 136; // the length after `RIFF` agrees
        assert_error(
            "cut",
            &cut,
            "Malformed",
            &["claims 100 bytes (50 frames)", "after 4 (2 frames)", "96 bytes are missing"],
        );
        let kept = lenient(&cut).unwrap();
        assert!(kept.frames() == 2 && kept.warnings[0].contains("96 bytes are missing"));
        let part = changed(|w| w.samples.push(0));
        let part = decode(&part).unwrap();
        assert!(part.frames() == 2 && part.warnings[0].contains("1 of 2 bytes"), "{:?}", part.warnings);
        let nothing = changed(|w| (w.claim, w.samples) = (Some(100), vec![0]));
        assert!(lenient(&nothing).unwrap_err().to_string().contains("claims 100 bytes and has 1"));
    }

    #[test]
    fn redundant_fields_that_are_wrong_give_a_warning() {
        let g711 = |bits, align, byte_rate| {
            let mut wav = Wav::new(7, bits, vec![0xFF, 0x7F]);
            (wav.block_align, wav.byte_rate) = (Some(align), Some(byte_rate));
            wav.bytes()
        };
        for (bytes, word) in [
            (changed(|w| w.byte_rate = Some(0)), "0 bytes per second"),
            (changed(|w| w.byte_rate = Some(64_000)), "64000 bytes per second"),
            (changed(|w| (w.block_align, w.byte_rate) = (Some(0), Some(32_000))), "block align of 0"),
            (changed(|w| (w.block_align, w.byte_rate) = (Some(4), Some(32_000))), "block align of 4"),
            (changed(|w| (w.channels, w.block_align) = (2, Some(2))), "block align of 2"),
            (g711(4, 2, 16_000), "4 bits per sample"),
            (g711(16, 2, 32_000), "16 bits per sample"),
            (g711(8, 1, 32_000), "32000 bytes per second"),
        ] {
            let recording = decode(&bytes).unwrap();
            assert_eq!(recording.samples.len(), 2, "{word}");
            assert!(recording.warnings[0].contains(word), "`{word}` is not in: {:?}", recording.warnings);
        }
    }

    #[test]
    fn what_follows_the_samples_is_accounted_for() {
        let good = Wav::mono16(&[1, 2]).bytes();
        let with = |behind: &[u8]| [&good, behind].concat();
        let cut_list = b"LIST\x20\0\0\0INFO".to_vec();
        for (behind, warnings) in [
            (chunk(*b"LIST", b"INFOodd"), 0),
            (b"TAG".repeat(40), 0),
            (vec![0; 5000], 1),
            (vec![b'\n'], 1),
            (cut_list, 0),
        ] {
            let recording = decode(&with(&behind)).unwrap();
            assert_eq!((recording.frames(), recording.warnings.len()), (2, warnings), "{behind:?}");
        }
        for (behind, word) in [
            (good.clone(), "a second WAV file"),
            (chunk(*b"data", &[1; 10]), "a second data chunk"),
            (vec![0xAB; 60], "no chunk"),
        ] {
            assert_error(word, &with(&behind), "Malformed", &[word, "4 bytes (2 frames, 0.000 s)"]);
            let kept = lenient(&with(&behind)).unwrap();
            assert!(kept.frames() == 2 && kept.warnings[0].contains(word), "{:?}", kept.warnings);
        }
    }

    #[test]
    fn a_length_that_one_reading_explains_is_read_to_the_end() {
        let samples: Vec<i16> = (0..2000).collect();
        let with = |data: u32, riff: u32| {
            let mut wav = Wav::mono16(&samples);
            wav.claim = Some(data);
            let mut bytes = wav.bytes();
            bytes[4..8].copy_from_slice(&riff.to_le_bytes());
            bytes
        };
        for (data, riff) in [(4044, 4080), (4036, 4072), (5000, 4036), (1000, 4036), (4044, 0)] {
            let recording = decode(&with(data, riff)).unwrap();
            assert_eq!(
                (recording.frames(), recording.warnings.len()),
                (2000, 1),
                "{data} {riff}: {:?}",
                recording.warnings
            );
        }
        for (data, riff) in [(5000, 5036), (1000, 1036), (5000, 0)] {
            assert!(decode(&with(data, riff)).is_err(), "{data} {riff}");
        }
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
