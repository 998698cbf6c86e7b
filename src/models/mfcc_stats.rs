//! MFCC statistics: mean and standard deviation over time of cepstral coefficients and their
//! deltas.

use serde::Deserialize;
use serde_json::Value;

use crate::dsp::dct::Dct;
use crate::dsp::delta::deltas;
use crate::error::Result;
use crate::models::network::{Network, NetworkRecipe, NetworkScratch, too_short};
use crate::models::recipe::{parse, within, wrong};
use crate::models::tap::{LayerTap, resize_scratch};
use crate::models::xvector::PoolingRecipe;
use crate::nn::{Int8Tensor, Loader, StatisticsPooling};

/// The manifest's `representation` of kind `mfcc-stats`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MfccStatsRecipe {
    /// How a frame's features become coefficients.
    pub transform: Transform,
    /// Number of coefficients per frame, from coefficient 0; at most the number of bands.
    pub coefficients: usize,
    /// Frames on each side in the regression of a delta.
    pub delta_reach: usize,
    /// 0: coefficients only; 1: with deltas; 2: with deltas and delta-deltas.
    pub delta_orders: usize,
    /// Pooling over time.
    pub pooling: PoolingRecipe,
    /// Whether the representation is standardised by the tensors `representation.mean` and
    /// `representation.scale`.
    pub normalise: bool,
}

/// How features become coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    /// The orthonormal DCT-II of a frame's bands.
    Dct,
    /// None: the front-end computes coefficients.
    None,
}

impl MfccStatsRecipe {
    /// Parses the object without its `kind`.
    pub(crate) fn parse(value: Value) -> Result<Self> {
        let recipe: Self = parse("representation", value)?;
        within("representation.coefficients", &recipe.coefficients, 1..=1_024)?;
        within("representation.delta_reach", &recipe.delta_reach, 1..=100)?;
        within("representation.delta_orders", &recipe.delta_orders, 0..=2)?;
        recipe.pooling.check()?;
        Ok(recipe)
    }
}

/// `[frames, bands]` → `[2 · coefficients · (orders + 1)]`: the means of the coefficients, deltas
/// and delta-deltas, then their standard deviations in the same order. Deltas are those of
/// [`crate::dsp::delta`].
#[derive(Debug)]
pub(crate) struct MfccStats {
    bands: usize,
    coefficients: usize,
    dct: Option<Dct>,
    reach: usize,
    orders: usize,
    pooling: StatisticsPooling,
}

/// Scratch memory.
#[derive(Debug, Default)]
struct Scratch {
    /// `[frames, coefficients · (orders + 1)]`.
    coefficients: Vec<f32>,
}

impl MfccStats {
    /// Builds the transform for features of `bands` bands. There are no tensors.
    fn new(recipe: &MfccStatsRecipe, bands: usize) -> Result<Self> {
        if recipe.coefficients > bands {
            let what = format!("{} coefficients of features of {bands} bands", recipe.coefficients);
            return Err(wrong("representation.coefficients", what));
        }
        let dct = matches!(recipe.transform, Transform::Dct).then(|| Dct::new(bands, recipe.coefficients));
        let (reach, orders) = (recipe.delta_reach, recipe.delta_orders);
        Ok(Self { bands, coefficients: recipe.coefficients, dct, reach, orders, pooling: recipe.pooling.plan() })
    }

    fn columns(&self) -> usize {
        self.coefficients * (self.orders + 1)
    }
}

impl Network for MfccStats {
    fn min_frames(&self) -> usize {
        self.pooling.min_frames()
    }

    fn dim(&self) -> usize {
        2 * self.columns()
    }

    fn largest_layer(&self, frames: usize) -> usize {
        frames.saturating_mul(self.dim())
    }

    fn int8_tensors(&self) -> Vec<&Int8Tensor> {
        Vec::new()
    }

    /// Passes to the tap: `mfcc.frames`, the coefficients and deltas, and `mfcc.pooling`.
    fn run(
        &self,
        input: &mut Vec<f32>,
        frames: usize,
        scratch: &mut NetworkScratch,
        output: &mut [f32],
        tap: &mut LayerTap<'_, '_>,
    ) -> Result<()> {
        if frames < self.min_frames() {
            return Err(too_short(frames, "frames", self.min_frames()));
        }
        let columns = self.columns();
        let rows = resize_scratch(&mut scratch.of::<Scratch>()?.coefficients, frames * columns);
        for (row, features) in rows.chunks_exact_mut(columns).zip(input.chunks_exact(self.bands)) {
            let first = &mut row[..self.coefficients];
            match &self.dct {
                Some(dct) => dct.run(features, first),
                None => first.copy_from_slice(&features[..self.coefficients]),
            }
        }
        for order in 0..self.orders {
            let places = (order * self.coefficients, (order + 1) * self.coefficients);
            deltas(rows, columns, self.coefficients, places, self.reach);
        }
        tap.pass("mfcc.frames", &[frames, columns], rows)?;
        self.pooling.run(rows, frames, output);
        tap.pass("mfcc.pooling", &[2 * columns], output)
    }
}

impl NetworkRecipe for MfccStatsRecipe {
    fn load(&self, _: &mut Loader<'_>, bands: usize) -> Result<Box<dyn Network>> {
        Ok(Box::new(MfccStats::new(self, bands)?))
    }

    fn normalise(&self) -> bool {
        self.normalise
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn recipe() -> Value {
        json!({"transform": "dct", "coefficients": 13, "delta_reach": 4, "delta_orders": 2,
            "pooling": {"kind": "statistics", "variance": "biased", "floor": 1e-10}, "normalise": true})
    }

    #[test]
    fn each_wrong_value_is_named() {
        for (pointer, value, name) in [
            ("/transform", json!("fft"), "transform"),
            ("/coefficients", json!(0), "coefficients"),
            ("/coefficients", json!(u64::MAX), "coefficients"),
            ("/delta_reach", json!(0), "delta_reach"),
            ("/delta_reach", json!(1_000_000), "delta_reach"),
            ("/delta_orders", json!(3), "delta_orders"),
            ("/pooling/floor", json!(-1.0), "pooling.floor"),
            ("/normalise", json!(null), "normalise"),
        ] {
            let mut broken = recipe();
            *broken.pointer_mut(pointer).unwrap() = value;
            let message = MfccStatsRecipe::parse(broken).unwrap_err().to_string();
            assert!(message.contains(&format!("`representation.{name}`")), "{message}");
        }
        let recipe = MfccStatsRecipe::parse(recipe()).unwrap();
        let message = MfccStats::new(&recipe, 12).unwrap_err().to_string();
        assert!(message.contains("`representation.coefficients`: 13"), "{message}");
    }

    #[test]
    fn without_a_transform_the_first_columns_are_the_coefficients() {
        let mut plain = recipe();
        plain["transform"] = json!("none");
        plain["coefficients"] = json!(2);
        plain["delta_orders"] = json!(0);
        let stats = MfccStats::new(&MfccStatsRecipe::parse(plain).unwrap(), 3).unwrap();
        let mut input = vec![1.0, 10.0, f32::NAN, 3.0, 10.0, f32::NAN];
        let mut output = vec![f32::NAN; stats.dim()];
        stats.run(&mut input, 2, &mut NetworkScratch::default(), &mut output, &mut LayerTap::new(None)).unwrap();
        assert_eq!(output, [2.0, 10.0, 1.0, 1e-5]);
    }
}
