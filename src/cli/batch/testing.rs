//! What several tests of this folder need.

use std::fs;
use std::path::PathBuf;

/// A folder of its own for one test, made anew.
pub(super) fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("persona-engine-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}
