//! MPEG layer III: a frame to samples (ISO/IEC 11172-3 §2.4.3.4; 13818-3; MPEG-2.5 for the low rates).
//!
//! ```text
//! frame ─ side info ──────▶ where the bits are, tables, gains
//!       ─ bit reservoir ──▶ main data: of earlier frames and this one
//!       ─ scale factors ──▶ per band
//!       ─ Huffman ────────▶ 576 quantised coefficients per granule and channel
//!       ─ requantise ─────▶ spectrum
//!       ─ stereo ─────────▶ left and right
//!       ─ hybrid ─────────▶ 18 slots of 32 subbands
//!       ─ synthesis ──────▶ 576 samples
//! ```
//!
//! Why not a library? Of the decoders in Rust, symphonia-bundle-mp3 0.6.1 turns mixed blocks into noise
//! and refuses joint stereo whose channels differ in block type; nanomp3 0.2.0 decodes both and panics
//! on damaged frames. This one is held to ffmpeg by `tools/check/formats.py` and the goldens.

mod bands;
mod bits;
mod huffman;
#[rustfmt::skip]
#[allow(clippy::unreadable_literal, reason = "a table")]
mod huffman_codes;
mod hybrid;
mod requantise;
mod scale_factors;
mod side_info;
mod stereo;
mod synthesis;

pub(super) use self::side_info::SideInfo;

use self::bits::BitReader;
use self::huffman::COEFFICIENTS;
use self::hybrid::{Hybrid, SLOTS};
use self::scale_factors::ScaleFactors;
use self::side_info::{Granule, Kind, granules};
use self::stereo::{Mode, Positions};
use self::synthesis::{SUBBANDS, Synthesis};
use crate::audio::mpeg::{FrameHeader, Version};

/// Most bytes that a frame takes from earlier ones.
const RESERVOIR: usize = 511;

/// Decoder of one stream.
pub(super) struct Layer3 {
    /// Main data of earlier frames, at most [`RESERVOIR`] bytes.
    reservoir: Vec<u8>,
    hybrids: [Hybrid; 2],
    syntheses: [Synthesis; 2],
}

impl Layer3 {
    pub(super) fn new() -> Self {
        Self {
            reservoir: Vec::new(),
            hybrids: [Hybrid::default(), Hybrid::default()],
            syntheses: [Synthesis::default(), Synthesis::default()],
        }
    }

    /// Forgets the bits of earlier frames, after a gap.
    pub(super) fn reset_reservoir(&mut self) {
        self.reservoir.clear();
    }

    /// Decodes a complete frame to interleaved samples, which replace `out`. Granules whose bits came
    /// before the start of the stream are silent. `Err` describes what is wrong with a damaged frame,
    /// whose samples are silence.
    pub(super) fn decode(&mut self, header: &FrameHeader, frame: &[u8], out: &mut Vec<f32>) -> Result<(), String> {
        let channels = usize::from(header.channels).clamp(1, 2);
        out.clear();
        out.resize(header.samples_per_frame() as usize * channels, 0.0);
        let Some(side) = SideInfo::parse(header, frame) else {
            return Err("it ends within its side information".to_owned());
        };
        let main = &frame[SideInfo::end(header)..];
        let missing = side.main_data_begin.saturating_sub(self.reservoir.len());
        let begins = self.reservoir.len() - (side.main_data_begin - missing);
        let mut data = self.reservoir.split_off(begins);
        self.reservoir.extend_from_slice(&data);
        data.extend_from_slice(main);
        self.reservoir.extend_from_slice(main);
        self.reservoir.drain(..self.reservoir.len().saturating_sub(RESERVOIR));
        check(&side, 8 * (data.len() + missing))?;
        self.granules(header, &side, &data, 8 * missing, out);
        Ok(())
    }

    fn granules(&mut self, header: &FrameHeader, side: &SideInfo, data: &[u8], missing: usize, out: &mut [f32]) {
        let channels = usize::from(header.channels).clamp(1, 2);
        let mpeg1 = header.version == Version::Mpeg1;
        let mode = Mode { middle_side: header.joint & 2 != 0, intensity: header.joint & 1 != 0 };
        let mut bits = BitReader::new(data);
        // position in the main data, of which the first `missing` bits are not there
        let mut position = 0;
        let mut first: [Option<ScaleFactors>; 2] = [None, None];
        for (number, granule) in side.granules.iter().take(granules(header)).enumerate() {
            let mut spectra = [[0.0; COEFFICIENTS]; 2];
            let mut factors = [ScaleFactors::default(); 2];
            let bands = [0, 1].map(|channel: usize| bands::bands(header, granule[channel.min(channels - 1)].block));
            for (channel, of) in granule.iter().enumerate().take(channels) {
                let (begin, end) = (position, position + of.main_bits);
                position = end;
                if begin < missing {
                    continue;
                }
                bits.seek(begin - missing);
                factors[channel] = if mpeg1 {
                    scale_factors::mpeg1(&mut bits, of, first[channel].as_ref(), side.shared[channel])
                } else {
                    scale_factors::mpeg2(&mut bits, of, mode.intensity && channel == 1)
                };
                let regions = bands::regions(header, of.block, of.regions);
                let mut quantised = [0; COEFFICIENTS];
                huffman::coefficients(&mut bits, end - missing, of, regions, &mut quantised);
                requantise::requantise(&quantised, of, &factors[channel], &bands[channel], &mut spectra[channel]);
                if number == 0 {
                    first[channel] = Some(factors[channel]);
                }
            }
            if channels == 2 && (mode.middle_side || mode.intensity) {
                let coarse = granule[1].scalefac_compress % 2 == 1;
                let positions = if mpeg1 { Positions::Mpeg1 } else { Positions::Mpeg2 { coarse } };
                let [left, right] = &mut spectra;
                stereo::run(mode, positions, &bands[1], &factors[1], left, right);
            }
            for (channel, spectrum) in spectra.iter_mut().enumerate().take(channels) {
                let mut slots = [[0.0; SUBBANDS]; SLOTS];
                self.hybrids[channel].run(spectrum, granule[channel].block, &bands[channel], &mut slots);
                let mut samples = [0.0; SUBBANDS];
                for (slot, subbands) in slots.iter().enumerate() {
                    self.syntheses[channel].run(subbands, &mut samples);
                    let start = (number * COEFFICIENTS + slot * SUBBANDS) * channels + channel;
                    for (place, sample) in out[start..].iter_mut().step_by(channels).zip(samples) {
                        *place = sample;
                    }
                }
            }
        }
    }
}

/// Refuses side information that no encoder writes.
fn check(side: &SideInfo, bits: usize) -> Result<(), String> {
    let all = || side.granules.iter().flatten();
    let claimed: usize = all().map(|granule| granule.main_bits).sum();
    if claimed > bits {
        return Err(format!("its side information claims {claimed} bits, it has {bits}"));
    }
    if all().any(|granule| 2 * granule.big_values > COEFFICIENTS) {
        return Err("it claims more than 288 pairs of values".to_owned());
    }
    // regions are fixed for window switching, which needs another block than the normal one
    let is_reserved = |granule: &Granule| {
        granule.regions.is_none() && granule.block.kind == Kind::Long && *granule != Granule::default()
    };
    if all().any(is_reserved) {
        return Err("its block type is reserved".to_owned());
    }
    Ok(())
}
