//! The systems inside the binary, so that one copied file is all that a machine needs.

use crate::error::Result;
use crate::models::System;

use super::catalogue::DEFAULT_SYSTEM;

macro_rules! weights {
    ($name:literal) => {
        ($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/weights/", $name, ".safetensors")))
    };
}

/// Name and bytes of each.
pub(super) const EMBEDDED: &[(&str, &[u8])] = &[weights!("campplus-fcn"), weights!("xvector-cnn")];

/// The default system, [`DEFAULT_SYSTEM`].
///
/// # Errors
/// Those of [`System::from_bytes`]: only if the file was damaged before the binary was built.
pub fn embedded_system() -> Result<System> {
    super::Catalogue::of(&[]).system(DEFAULT_SYSTEM)
}
