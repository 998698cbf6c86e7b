//! Scratch memory of layers.

use crate::kernels::int8::QuantisedRows;

/// Memory that layers need beside input and output. It grows to the largest layer; no result
/// depends on its previous content.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Input of a layer in int8.
    pub(super) quantised: QuantisedRows,
    /// A few frames of the result of a layer's prologue, in f32.
    pub(super) values: Vec<f32>,
}
