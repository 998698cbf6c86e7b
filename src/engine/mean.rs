//! Weighted mean of predictions.

use crate::models::Output;

/// Running weighted sums of probabilities and ages.
#[derive(Debug, Default)]
pub(super) struct WeightedSums {
    /// `None` for a head that is off.
    emotion: Option<Vec<f64>>,
    gender: Option<Vec<f64>>,
    age: Option<f64>,
    distance: Option<f64>,
    weight: f64,
}

/// Mean probabilities, age and distance; `None` for a head that is off.
pub(super) struct MeanOutput {
    pub(super) emotion: Option<Vec<f64>>,
    pub(super) gender: Option<Vec<f64>>,
    pub(super) years: Option<f64>,
    /// Distance to the training domain, if the model has one.
    pub(super) distance: Option<f64>,
}

impl WeightedSums {
    /// `weight` is above 0.
    pub(super) fn add(&mut self, output: &Output, weight: f64) {
        self.weight += weight;
        if let Some(emotion) = &output.emotion {
            accumulate(&mut self.emotion, &emotion.probabilities, weight);
        }
        if let Some(gender) = &output.gender {
            accumulate(&mut self.gender, &gender.probabilities, weight);
        }
        if let Some(years) = output.age_years {
            *self.age.get_or_insert_default() += weight * f64::from(years);
        }
        if let Some(distance) = output.distance {
            *self.distance.get_or_insert_default() += weight * f64::from(distance);
        }
    }

    /// `None` if nothing was added.
    pub(super) fn mean(&self) -> Option<MeanOutput> {
        let mean = |sums: &Vec<f64>| sums.iter().map(|sum| sum / self.weight).collect();
        (self.weight > 0.0).then(|| MeanOutput {
            emotion: self.emotion.as_ref().map(mean),
            gender: self.gender.as_ref().map(mean),
            years: self.age.map(|sum| sum / self.weight),
            distance: self.distance.map(|sum| sum / self.weight),
        })
    }
}

fn accumulate(sums: &mut Option<Vec<f64>>, values: &[f32], weight: f64) {
    let sums = sums.get_or_insert_default();
    sums.resize(values.len(), 0.0);
    for (sum, &value) in sums.iter_mut().zip(values) {
        *sum += weight * f64::from(value);
    }
}
