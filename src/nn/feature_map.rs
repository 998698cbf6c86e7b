//! Feature maps of frames, bands and channels (NHWC), in a padded layout that convolutions read
//! without copies.

use crate::kernels::int8::QuantisedRows;
use crate::nn::packed_weights::Activations;

/// Shape and memory layout of a feature map: channels are contiguous, then bands, then frames. A
/// margin of one band of zeros is before each frame and after the last:
///
/// ```text
/// 0 | band 0, 1, … of frame 0 | 0 | band 0, 1, … of frame 1 | 0 | …        each entry `channels` values
/// ```
///
/// So the three bands around any band are contiguous, including the zero padding of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureMapShape {
    /// Number of frames.
    pub frames: usize,
    /// Bands per frame.
    pub bands: usize,
    /// Channels per band.
    pub channels: usize,
}

impl FeatureMapShape {
    /// Number of values, margins included.
    pub fn len(&self) -> usize {
        (self.frames * (self.bands + 1) + 1) * self.channels
    }

    /// Whether there are no frames.
    pub fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Index of the first value of band 0 of frame `t`.
    pub fn frame(&self, t: usize) -> usize {
        (t * (self.bands + 1) + 1) * self.channels
    }

    /// Distance between the starts of two frames, in values.
    pub fn frame_stride(&self) -> usize {
        (self.bands + 1) * self.channels
    }

    /// Number of values of a frame, without its margin.
    pub fn frame_len(&self) -> usize {
        self.bands * self.channels
    }

    /// Sets the margins before the frames `from..to` and after the last of them to zero.
    ///
    /// # Panics
    ///
    /// If `values` is too short.
    pub fn clear_margins(&self, values: &mut [f32], from: usize, to: usize) {
        for t in from..=to {
            let first = self.frame(t);
            values[first - self.channels..first].fill(0.0);
        }
    }

    /// Writes `[frames, bands]` as a feature map of one channel.
    ///
    /// # Panics
    ///
    /// If a slice has another length, or there is more than one channel.
    pub fn write(&self, features: &[f32], values: &mut [f32]) {
        assert!(self.channels == 1 && features.len() == self.frames * self.bands && values.len() == self.len());
        self.clear_margins(values, 0, self.frames);
        for (t, row) in features.chunks_exact(self.bands.max(1)).enumerate() {
            values[self.frame(t)..][..self.bands].copy_from_slice(row);
        }
    }

    /// The values `[frames, bands, channels]` without margins.
    #[cfg(test)]
    pub(super) fn without_margins(&self, values: &[f32]) -> Vec<f32> {
        (0..self.frames).flat_map(|t| &values[self.frame(t)..][..self.frame_len()]).copied().collect()
    }
}

/// Activations between two-dimensional layers: f32 values, quantised values, or both
/// ([`MapFormat`]).
#[derive(Clone, Debug, Default)]
pub struct FeatureMap {
    /// Values in the layout of [`FeatureMapShape`]; the buffer may be longer.
    pub values: Vec<f32>,
    /// One row per frame, which starts with the margin before the frame; then the margin after the
    /// last frame.
    pub(super) quantised: QuantisedRows,
}

/// Which forms of a [`FeatureMap`] are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapFormat {
    /// f32 values.
    F32,
    /// Quantised values; the f32 values of each frame are discarded.
    Int8,
    /// Both.
    Both,
}

impl FeatureMap {
    /// Reshape the buffer to at least `values` values and returns them; their content is
    /// unspecified.
    pub fn resize(&mut self, values: usize) -> &mut [f32] {
        if self.values.len() < values {
            self.values.resize(values, 0.0);
        }
        &mut self.values[..values]
    }

    /// Quantises the stored values, which must not be negative.
    #[cfg(test)]
    pub(super) fn quantise(&mut self, shape: FeatureMapShape) {
        self.resize_quantised(shape);
        for (t, row) in self.values[..shape.len()].chunks_exact(shape.frame_stride().max(1)).enumerate() {
            self.quantised.quantise_non_negative_row(t, row);
        }
    }

    /// The input of a product.
    pub(super) fn activations(&self) -> Activations<'_> {
        Activations { values: &self.values, quantised: &self.quantised }
    }

    /// Resizes the quantised values to this shape.
    pub(super) fn resize_quantised(&mut self, shape: FeatureMapShape) {
        self.quantised.resize_non_negative(shape.frames, shape.frame_stride(), shape.channels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_separated_by_margins() {
        let shape = FeatureMapShape { frames: 3, bands: 2, channels: 1 };
        let features = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut values = [f32::NAN; 10];
        assert_eq!(shape.len(), values.len());
        shape.write(&features, &mut values);
        assert_eq!(values, [0.0, 1.0, 2.0, 0.0, 3.0, 4.0, 0.0, 5.0, 6.0, 0.0]);
        assert_eq!(shape.without_margins(&values), features);
    }

    #[test]
    fn an_empty_map_is_one_margin() {
        let shape = FeatureMapShape { frames: 0, bands: 7, channels: 3 };
        assert!(shape.is_empty() && shape.len() == 3 && shape.without_margins(&[1.0; 3]).is_empty());
    }
}
