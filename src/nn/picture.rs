//! How a picture of frames, bands and channels lies in memory, so that convolutions over it need no copies.

use crate::kernels::int8::QuantisedRows;

/// The sizes of a picture, and the places of its values: channels are neighbours, then bands, then frames, and between the last band of a frame
/// and the first of the next stands one margin of zeros, as before the first frame and behind the last:
///
/// ```text
/// 0 | band 0, 1, … of frame 0 | 0 | band 0, 1, … of frame 1 | 0 | …        each entry `channels` values
/// ```
///
/// So the three bands around any band of any frame are neighbours, the zeros of a convolution's padding included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Frames in time.
    pub frames: usize,
    /// Bands of a frame.
    pub bands: usize,
    /// Values of a band.
    pub channels: usize,
}

impl Picture {
    /// Values of the picture, margins included.
    pub fn len(&self) -> usize {
        (self.frames * (self.bands + 1) + 1) * self.channels
    }

    /// Whether there is nothing but a margin.
    pub fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Index of the first value of band 0 of frame `t`.
    pub fn frame(&self, t: usize) -> usize {
        (t * (self.bands + 1) + 1) * self.channels
    }

    /// From one frame to the next.
    pub fn frame_stride(&self) -> usize {
        (self.bands + 1) * self.channels
    }

    /// Values of a frame.
    pub fn frame_len(&self) -> usize {
        self.bands * self.channels
    }

    /// Zeros into the margins before the frames `from..to` and behind the last of them.
    ///
    /// # Panics
    ///
    /// If `values` is shorter than the picture.
    pub fn clear_margins(&self, values: &mut [f32], from: usize, to: usize) {
        for t in from..=to {
            let behind = self.frame(t);
            values[behind - self.channels..behind].fill(0.0);
        }
    }

    /// Writes `[frames, bands]` as a picture of one channel.
    ///
    /// # Panics
    ///
    /// If a slice has another length or the picture more channels.
    pub fn write(&self, features: &[f32], values: &mut [f32]) {
        assert!(self.channels == 1 && features.len() == self.frames * self.bands && values.len() == self.len());
        self.clear_margins(values, 0, self.frames);
        for (t, row) in features.chunks_exact(self.bands.max(1)).enumerate() {
            values[self.frame(t)..][..self.bands].copy_from_slice(row);
        }
    }

    /// `[frames, bands, channels]` without margins.
    ///
    /// # Panics
    ///
    /// If `values` is shorter than the picture.
    pub fn without_margins(&self, values: &[f32]) -> Vec<f32> {
        (0..self.frames).flat_map(|t| &values[self.frame(t)..][..self.frame_len()]).copied().collect()
    }
}

/// A picture on its way between layers: its values, its codes for a layer of [`Precision::Int8`](crate::nn::Precision), or both, as its maker was asked
/// to [`Keep`].
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// As [`Picture`] lays them out. They may be more than the picture needs.
    pub values: Vec<f32>,
    /// A row for each frame, which begins with the margin before it, and the codes of the margin behind the last.
    pub(super) codes: QuantisedRows,
}

/// What the reader of an [`Image`] needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Values.
    Values,
    /// Codes; each frame's values are made, coded and forgotten.
    Codes,
    /// Both.
    Both,
}

impl Image {
    /// At least so many values, whatever they are.
    pub fn room(&mut self, values: usize) -> &mut [f32] {
        if self.values.len() < values {
            self.values.resize(values, 0.0);
        }
        &mut self.values[..values]
    }

    /// Codes of a picture whose values are there; none of them is negative.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    pub fn encode(&mut self, sizes: Picture) {
        self.begin_codes(sizes);
        for (t, row) in self.values[..sizes.len()].chunks_exact(sizes.frame_stride().max(1)).enumerate() {
            self.codes.quantise_non_negative_row(t, row);
        }
    }

    /// Room for the codes of a picture.
    pub(super) fn begin_codes(&mut self, sizes: Picture) {
        self.codes.resize_non_negative(sizes.frames, sizes.frame_stride(), sizes.channels);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_stand_between_zeros_and_come_out_again() {
        let picture = Picture { frames: 3, bands: 2, channels: 1 };
        let features = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut values = [f32::NAN; 10];
        assert_eq!(picture.len(), values.len());
        picture.write(&features, &mut values);
        assert_eq!(values, [0.0, 1.0, 2.0, 0.0, 3.0, 4.0, 0.0, 5.0, 6.0, 0.0]);
        assert_eq!(picture.without_margins(&values), features);
    }

    #[test]
    fn an_empty_picture_is_one_margin() {
        let picture = Picture { frames: 0, bands: 7, channels: 3 };
        assert!(picture.is_empty() && picture.len() == 3 && picture.without_margins(&[1.0; 3]).is_empty());
    }
}
