//! Features of a whole recording.

use super::recording::Recording;
use super::stream::{ChannelMode, SignalStream};
use crate::audio::Limits;
use crate::error::Result;
use crate::models::Frontend;

/// Computes the features `[frames, bands]` of a recording and returns them with the number of
/// frames; their mean over time is subtracted if the recipe says so. The recording is processed as
/// one piece, so memory grows with its duration.
///
/// # Errors
///
/// What is wrong with the recording, with its name; [`crate::Error::Manifest`] with the front-end's
/// invalid parameter.
pub fn features(recording: Recording, frontend: &Frontend, limits: &Limits) -> Result<(Vec<f32>, usize)> {
    let (source, name) = recording.open(None, limits)?;
    let run = || {
        let mut extractor = frontend.extractor()?;
        let mut stream = SignalStream::new(source, ChannelMode::Mean, frontend.sample_rate_hz())?;
        let (mut samples, mut features) = (Vec::new(), Vec::new());
        while stream.next()? {
            samples.extend_from_slice(stream.block(0).1);
        }
        let frames = extractor.run(&samples, &mut features);
        frontend.normalisation.apply(&mut features, frontend.bands());
        Ok((features, frames))
    };
    run().map_err(|error: crate::Error| error.in_file(name))
}
