//! Interface of the networks that compute a representation.

use std::any::Any;
use std::fmt::Debug;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::models::tap::LayerTap;
use crate::nn::{Int8Tensor, Loader, Norm};

/// A network that maps normalised features `[frames, bands]` to one vector `[dim]`. For a front-end
/// of samples a frame is one sample.
pub(crate) trait Network: Debug + Send + Sync {
    /// Minimum number of frames.
    fn min_frames(&self) -> usize;

    /// Length of the vector.
    fn dim(&self) -> usize;

    /// Number of values of the largest layer for so many frames.
    fn largest_layer(&self, frames: usize) -> usize;

    /// The tensors of the model file that it computes with in int8.
    fn int8_tensors(&self) -> Vec<&Int8Tensor>;

    /// Where the vector contains the statistics from which a speaker embedding is computed; `None`
    /// for a network that has none or whose taps leave them out.
    fn speaker_statistics(&self) -> Option<SpeakerStatistics<'_>> {
        None
    }

    /// Computes the vector from the features at the start of `input`, which may be overwritten, and
    /// passes intermediate results to `tap`.
    ///
    /// # Errors
    ///
    /// [`Error::TooShort`] below [`Self::min_frames`]; [`Error::Tensor`] if a layer overflows.
    fn run(
        &self,
        input: &mut Vec<f32>,
        frames: usize,
        scratch: &mut NetworkScratch,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()>;
}

/// The statistics of CAM++'s last frame-level layer in a vector.
#[derive(Debug)]
pub(crate) struct SpeakerStatistics<'a> {
    /// Their place in the vector.
    pub(crate) place: Range<usize>,
    /// The norm of that layer.
    pub(crate) last_norm: &'a Norm,
}

/// The part of a manifest that describes a network.
pub(crate) trait NetworkRecipe {
    /// Loads the network for features of `bands` bands.
    ///
    /// # Errors
    ///
    /// [`Error::Manifest`] if recipe and bands do not match; those of the layers' `load`.
    fn load(&self, loader: &mut Loader<'_>, bands: usize) -> Result<Box<dyn Network>>;

    /// Whether the vector is standardised by the tensors `representation.mean` and
    /// `representation.scale`.
    fn normalise(&self) -> bool;
}

/// Scratch memory of a network. It grows to the longest input; no result depends on its previous
/// content.
#[derive(Debug, Default)]
pub(crate) struct NetworkScratch {
    threads: usize,
    memory: Option<Box<dyn Any + Send + Sync>>,
}

impl NetworkScratch {
    /// Sets the number of threads for one pass of a network that supports several. The result does
    /// not depend on it.
    pub(crate) fn set_threads(&mut self, threads: usize) {
        self.threads = threads;
    }

    /// The number of threads, at least 1.
    pub(crate) fn threads(&self) -> usize {
        self.threads.max(1)
    }

    /// The scratch memory of this type: that of the last pass, or new if the last pass was another
    /// network's.
    ///
    /// # Errors
    ///
    /// None in practice; [`Error::Internal`] stands for a broken invariant of this function.
    pub(crate) fn of<T: Default + Send + Sync + 'static>(&mut self) -> Result<&mut T> {
        if !self.memory.as_ref().is_some_and(|memory| memory.is::<T>()) {
            self.memory = Some(Box::<T>::default());
        }
        let memory = self.memory.as_mut().and_then(|memory| memory.downcast_mut());
        memory.ok_or_else(|| Error::Internal("scratch memory of another network".into()))
    }
}

/// The error for an input below the minimum of a network.
pub(crate) fn too_short(frames: usize, unit: &str, minimum: usize) -> Error {
    Error::TooShort(format!("{frames} {unit}: the network needs at least {minimum}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_is_kept_for_one_type_and_replaced_for_another() {
        let mut scratch = NetworkScratch::default();
        scratch.of::<Vec<f32>>().unwrap().push(1.0);
        assert_eq!(scratch.of::<Vec<f32>>().unwrap(), &[1.0]);
        assert_eq!(scratch.of::<Vec<u8>>().unwrap(), &[0_u8; 0]);
        assert_eq!(scratch.of::<Vec<f32>>().unwrap(), &[0.0; 0]);
        assert_eq!(scratch.threads(), 1);
    }
}
