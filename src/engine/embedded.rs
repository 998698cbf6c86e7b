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

/// Name and bytes of each.
#[cfg(embedded_weights)]
pub(super) const EMBEDDED: &[(&str, &[u8])] = &[model!("campplus-fcn"), model!("xvector-cnn")];
#[cfg(not(embedded_weights))]
pub(super) const EMBEDDED: &[(&str, &[u8])] = &[];
