//! The recordings under a folder.

use std::fs;
use std::path::{Path, PathBuf};

use persona_engine::{Error, Result};

/// Extensions of the files that are taken, in any case.
const RECORDINGS: &[&str] = &["wav", "wave", "mp3", "flac", "ogg", "oga", "m4a"];
/// The same for audio without a header.
const RAW_RECORDINGS: &[&str] = &["raw", "pcm"];
/// Maximum depth of nested folders.
const MAX_DEPTH: usize = 64;

/// All recordings below a folder, depth first. The entries of each folder are sorted by the bytes
/// of their names, files and folders alike. Names that begin with a dot are skipped. Links to files
/// are followed; links to folders are not, so there are no loops.
///
/// # Errors
/// [`Error::Read`] names a folder that cannot be read, [`Error::Limit`] one that is nested too
/// deeply.
pub(super) fn recordings(folder: &Path, raw: bool) -> Result<Vec<PathBuf>> {
    let extensions = if raw { RAW_RECORDINGS } else { RECORDINGS };
    let mut found = Vec::new();
    walk(folder, extensions, 0, &mut found)?;
    Ok(found)
}

fn walk(folder: &Path, extensions: &[&str], depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    if depth > MAX_DEPTH {
        let limit = MAX_DEPTH as u64;
        return Err(Error::Limit { what: "depth of folders", actual: limit + 1, limit }.in_file(folder));
    }
    let named = |error: std::io::Error| Error::Read(error).in_file(folder);
    let mut entries = fs::read_dir(folder).map_err(named)?.collect::<Result<Vec<_>, _>>().map_err(named)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if entry.file_type().map_err(named)?.is_dir() {
            walk(&path, extensions, depth + 1, found)?;
        } else if has_extension(&path, extensions) && !path.is_dir() {
            found.push(path);
        }
    }
    Ok(())
}

fn has_extension(path: &Path, extensions: &[&str]) -> bool {
    path.extension().is_some_and(|extension| extensions.iter().any(|taken| extension.eq_ignore_ascii_case(taken)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::test_folder::test_folder;

    #[test]
    fn entries_are_sorted_and_folders_come_in_their_place() {
        let root = test_folder("recordings");
        for name in [
            "b/2.MP3",
            "b/10.wav",
            "a.wav",
            "c.flac",
            "b.ogg",
            ".hidden.wav",
            "notes.txt",
            "b/.x/y.wav",
            "Z.m4a",
            "e.wav/in.wav",
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, []).unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(&root, root.join("loop.wav")).unwrap();
        let found = recordings(&root, false).unwrap();
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["Z.m4a", "a.wav", "b/10.wav", "b/2.MP3", "b.ogg", "c.flac", "e.wav/in.wav"]);
        fs::write(root.join("line.pcm"), []).unwrap();
        assert_eq!(recordings(&root, true).unwrap(), [root.join("line.pcm")]);
    }

    #[test]
    fn an_unreadable_folder_is_named() {
        let message = recordings("/nowhere/calls".as_ref(), false).unwrap_err().to_string();
        assert!(message.contains("/nowhere/calls"), "{message}");
    }
}
