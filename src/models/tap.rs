//! Activation tap: checks the output of each layer and passes it to an observer.

use crate::error::{Error, Result};
use crate::nn::all_finite;

/// Called with the output of each layer: name, shape, values.
pub type LayerObserver<'a> = dyn FnMut(&str, &[usize], &[f32]) + 'a;

/// Checks the output of each layer and passes it to the observer, if there is one.
pub(crate) struct LayerTap<'a, 'b> {
    observer: Option<&'a mut LayerObserver<'b>>,
}

impl<'a, 'b> LayerTap<'a, 'b> {
    pub(crate) fn new(observer: Option<&'a mut LayerObserver<'b>>) -> Self {
        Self { observer }
    }

    /// Whether there is an observer.
    pub(crate) fn is_watched(&self) -> bool {
        self.observer.is_some()
    }

    /// As [`Self::pass`] for an output in rows of a wider matrix. The rows are copied only if there
    /// is an observer.
    pub(crate) fn pass_rows<'v>(
        &mut self,
        layer: &str,
        shape: &[usize],
        rows: impl Iterator<Item = &'v [f32]> + Clone,
    ) -> Result<()> {
        if let Some(broken) = rows.clone().find(|row| !all_finite(row)) {
            return self.pass(layer, shape, broken);
        }
        if let Some(observer) = &mut self.observer {
            observer(layer, shape, &rows.flatten().copied().collect::<Vec<f32>>());
        }
        Ok(())
    }

    /// Refuses non-finite values, because the ReLU of a later layer could turn an overflow into a
    /// plausible number.
    pub(crate) fn pass(&mut self, layer: &str, shape: &[usize], values: &[f32]) -> Result<()> {
        if !all_finite(values) {
            return Err(Error::Tensor {
                name: layer.to_owned(),
                expected: "finite outputs of this layer".into(),
                actual: "an overflow. The weights do not match these features".into(),
            });
        }
        if let Some(observer) = &mut self.observer {
            observer(layer, shape, values);
        }
        Ok(())
    }
}

/// The first `length` values of a buffer, which grows if needed and never shrinks.
pub(crate) fn resize_scratch(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    &mut buffer[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_concatenated() {
        let mut seen = Vec::new();
        let mut observer = |_: &str, _: &[usize], values: &[f32]| seen.extend_from_slice(values);
        let values = [1.0, 2.0, f32::NAN, 3.0, 4.0];
        LayerTap::new(Some(&mut observer)).pass_rows("rows", &[2, 2], values.chunks(3).map(|row| &row[..2])).unwrap();
        assert_eq!(seen, [1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn an_overflow_names_its_layer_and_is_not_observed() {
        let mut seen = Vec::new();
        let mut observer = |name: &str, shape: &[usize], values: &[f32]| {
            seen.push((name.to_owned(), shape.to_vec(), values.to_vec()));
        };
        let mut tap = LayerTap::new(Some(&mut observer));
        tap.pass("trunk.dense.0", &[2], &[1.0, 2.0]).unwrap();
        let message = tap.pass("trunk.dense.1", &[1], &[f32::INFINITY]).unwrap_err().to_string();
        assert!(message.contains("trunk.dense.1"), "{message}");
        let rows = [1.0, 2.0, 3.0, f32::NAN];
        let message = tap.pass_rows("rows", &[2, 2], rows.chunks(2)).unwrap_err().to_string();
        assert!(message.contains("rows"), "{message}");
        assert_eq!(seen, [("trunk.dense.0".to_owned(), vec![2], vec![1.0, 2.0])]);
    }
}
