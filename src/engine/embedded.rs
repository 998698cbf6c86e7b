//! The system inside the binary, so that one copied file is all that a machine needs.

use crate::error::Result;
use crate::models::System;

static XVECTOR_CNN: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/weights/xvector-cnn.safetensors"));

/// The default system, `xvector-cnn`.
///
/// # Errors
/// Those of [`System::from_bytes`]: only if the file was damaged before the binary was built.
pub fn embedded_system() -> Result<System> {
    System::from_bytes(XVECTOR_CNN)
}
