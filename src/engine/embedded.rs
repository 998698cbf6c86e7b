//! Models embedded in the binary (feature `embedded-weights`), so that one file is a complete
//! installation.

/// Name of the default model.
pub const DEFAULT_MODEL: &str = "campplus-fcn";

#[cfg(feature = "embedded-weights")]
macro_rules! model {
    ($name:literal) => {
        ($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/weights/", $name, ".safetensors")))
    };
}

/// Name and bytes of each.
#[cfg(feature = "embedded-weights")]
pub(super) const EMBEDDED: &[(&str, &[u8])] = &[model!("campplus-fcn"), model!("xvector-cnn")];
#[cfg(not(feature = "embedded-weights"))]
pub(super) const EMBEDDED: &[(&str, &[u8])] = &[];
