//! Temporary folders for the tests of `batch`.

use std::fs;
use std::path::PathBuf;

/// An empty folder for one test.
pub(super) fn test_folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("persona-engine-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}
