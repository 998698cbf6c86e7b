//! The recording that a list names without its ending.

use std::fs;
use std::path::{Path, PathBuf};

/// Endings of files that lie beside recordings and are none, in lower case.
const BESIDE: &[&str] = &[
    "csv",
    "tsv",
    "txt",
    "rttm",
    "uem",
    "stm",
    "ctm",
    "lab",
    "textgrid",
    "eaf",
    "trs",
    "json",
    "jsonl",
    "xml",
    "html",
    "md",
    "pdf",
    "png",
    "scp",
    "npy",
    "safetensors",
    "part",
    "srt",
    "vtt",
    "aup",
    "aup3",
    "asd",
    "pkf",
    "bak",
];

/// The recording called `name` in a folder: the file of that name, or the only one that has this
/// name before its ending.
///
/// # Errors
/// A text for none, or for several.
pub(super) fn find(folder: &Path, name: &str) -> Result<PathBuf, String> {
    let exact = folder.join(name);
    if exact.is_file() {
        return Ok(exact);
    }
    let list = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(list).map_err(|error| format!("cannot read its folder: {error}"))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(PathBuf::from(entry.ok()?.file_name())))
        .filter(|file| file.file_stem().is_some_and(|stem| stem == name) && !is_beside(file))
        .map(|file| folder.join(file))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    match &found[..] {
        [only] => Ok(only.clone()),
        [] => Err(format!("there is no recording `{name}.*` in the folder of the list")),
        [first, second, ..] => Err(format!(
            "several files could be the recording `{name}`: {} and {}; keep one of them in the folder of the list",
            first.display(),
            second.display()
        )),
    }
}

fn is_beside(file: &Path) -> bool {
    file.extension().is_none_or(|ending| BESIDE.iter().any(|known| ending.eq_ignore_ascii_case(known)))
}
