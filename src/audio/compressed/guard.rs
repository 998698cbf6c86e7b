//! Calls of the decoders that this project did not write.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};

/// Calls the dependency; its panic becomes an error.
pub(super) fn guarded<T>(format: &'static str, call: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|_| {
        Error::malformed(format, "its decoder failed; get the file again, or convert it: ffmpeg -i IN OUT.wav")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_dependency_becomes_an_error() {
        let error = guarded("FLAC", || -> u8 { panic!("a test's own") }).unwrap_err().to_string();
        assert!(error.contains("FLAC is malformed: its decoder failed"), "{error}");
    }
}
