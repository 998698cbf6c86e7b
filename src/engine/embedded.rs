//! Models embedded in the binary (feature `embedded-weights`), so that one file is a complete
//! installation. `build.rs` finds their files and sets `cfg(embedded_weights)`.

/// Name of the default model.
pub const DEFAULT_MODEL: &str = "campplus-fcn";

#[cfg(embedded_weights)]
macro_rules! model {
    ($name:literal) => {
        ($name, include_bytes!(concat!(env!("PERSONA_EMBEDDED_WEIGHTS"), "/", $name, ".safetensors")))
    };
}

/// Name of the segmentation file, which no model may have.
pub(super) const SEGMENTATION: &str = "segmentation";

/// Bytes of the segmentation file.
#[cfg(embedded_weights)]
pub(super) const SEGMENTATION_BYTES: Option<&[u8]> = Some(model!("segmentation").1);
#[cfg(not(embedded_weights))]
pub(super) const SEGMENTATION_BYTES: Option<&[u8]> = None;

/// Name and bytes of each.
#[cfg(embedded_weights)]
pub(super) const EMBEDDED: &[(&str, &[u8])] = &[model!("campplus-fcn"), model!("xvector-cnn")];
#[cfg(not(embedded_weights))]
pub(super) const EMBEDDED: &[(&str, &[u8])] = &[];
