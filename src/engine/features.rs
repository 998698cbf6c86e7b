//! A whole recording's features, as a front-end gives them.

use std::path::Path;

use super::stream::{SignalStream, Split};
use crate::audio::{Decoder, Limits, RawFormat};
use crate::error::Result;
use crate::models::Frontend;

/// `[frames, bands]` of a recording, its mean over time taken off if the recipe says so. The recording is taken as one segment, however long: memory
/// follows its length.
///
/// # Errors
///
/// What is wrong with the file, naming it; [`crate::Error::Config`] names the knob that the signal processing refuses.
pub fn features(
    path: &Path,
    frontend: &Frontend,
    raw: Option<&RawFormat>,
    limits: &Limits,
) -> Result<(Vec<f32>, usize)> {
    let decoder = match raw {
        None => Decoder::open(path, limits),
        Some(format) => Decoder::open_raw(path, format, limits),
    }?;
    let run = || {
        let mut extractor = frontend.extractor()?;
        let mut stream = SignalStream::new(decoder, Split::Mean, frontend.sample_rate_hz())?;
        let (mut samples, mut features) = (Vec::new(), Vec::new());
        while stream.next()? {
            samples.extend_from_slice(stream.block(0).1);
        }
        let frames = extractor.run(&samples, &mut features);
        frontend.normalisation.apply(&mut features, frontend.bands());
        Ok((features, frames))
    };
    run().map_err(|error: crate::Error| error.in_file(path))
}
