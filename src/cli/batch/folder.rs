//! The recordings under a folder.

use std::fs;
use std::path::{Path, PathBuf};

use persona_engine::{Error, Result};

/// Endings of the files that are taken, in any case.
const RECORDINGS: &[&str] = &["wav", "wave", "mp3", "flac", "ogg", "oga", "m4a"];
/// The same where recordings have no header.
const RAW_RECORDINGS: &[&str] = &["raw", "pcm"];
/// Folders within folders that are entered.
const MAX_DEPTH: usize = 64;

/// All recordings below a folder. Within each folder names are in the order of their bytes, files and folders alike, and a folder's content
/// stands where its name does. Names that begin with a dot are left out. Links to files are followed, links to folders are not: no loops.
///
/// # Errors
/// Naming the folder that cannot be read, or [`Error::Limit`] for one that lies too deep.
pub(super) fn recordings(folder: &Path, raw: bool) -> Result<Vec<PathBuf>> {
    let endings = if raw { RAW_RECORDINGS } else { RECORDINGS };
    let mut found = Vec::new();
    walk(folder, endings, 0, &mut found)?;
    Ok(found)
}

fn walk(folder: &Path, endings: &[&str], depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
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
            walk(&path, endings, depth + 1, found)?;
        } else if has_ending(&path, endings) && !path.is_dir() {
            found.push(path);
        }
    }
    Ok(())
}

fn has_ending(path: &Path, endings: &[&str]) -> bool {
    path.extension().is_some_and(|ending| endings.iter().any(|taken| ending.eq_ignore_ascii_case(taken)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::batch::testing::folder;

    #[test]
    fn names_in_their_order_folders_where_their_name_stands() {
        let root = folder("recordings");
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
    fn what_cannot_be_read_is_named() {
        let message = recordings("/nowhere/calls".as_ref(), false).unwrap_err().to_string();
        assert!(message.contains("/nowhere/calls"), "{message}");
    }
}
