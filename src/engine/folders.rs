//! Folders of installed models.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// The folders that are searched for models, in this order:
///
/// 1. those of `$PERSONA_MODELS`, separated as in `$PATH`
/// 2. `persona-engine-models` and `weights` next to the program
/// 3. `$XDG_DATA_HOME/persona-engine`, or `~/.local/share/persona-engine` where that variable is
///    not set
/// 4. `/usr/share/persona-engine`
///
/// Those of the variable are listed whether they exist or not; of the others only those that exist.
pub fn installed() -> Vec<PathBuf> {
    let program = env::current_exe().ok();
    let (named, default) = candidates(|name| env::var_os(name), program.as_deref());
    named.into_iter().chain(default.into_iter().filter(|folder| folder.is_dir())).collect()
}

/// The folders of the variable, and the default ones.
fn candidates(variable: impl Fn(&str) -> Option<OsString>, program: Option<&Path>) -> (Vec<PathBuf>, Vec<PathBuf>) {
    // An empty part of the list would mean the current folder, which nobody expects.
    let named = variable("PERSONA_MODELS").iter().flat_map(env::split_paths).filter(|path| *path != *"").collect();
    let beside =
        program.and_then(Path::parent).map(|folder| ["persona-engine-models", "weights"].map(|n| folder.join(n)));
    let default =
        beside.into_iter().flatten().chain(user_data(variable)).chain([PathBuf::from("/usr/share/persona-engine")]);
    (named, default.collect())
}

/// The XDG base directory specification: a path in `XDG_DATA_HOME` that is not absolute counts as
/// not set.
fn user_data(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let data = variable("XDG_DATA_HOME").map(PathBuf::from).filter(absolute);
    let home = || variable("HOME").map(PathBuf::from).filter(absolute).map(|home| home.join(".local/share"));
    data.or_else(home).map(|folder| folder.join("persona-engine"))
}

/// Whether a value is a path and not a name: it contains a path separator, or ends in
/// `.safetensors`.
pub fn is_path(value: &OsStr) -> bool {
    let text = value.to_string_lossy();
    text.contains(std::path::is_separator) || text.ends_with(".safetensors")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)], program: &str) -> (Vec<String>, Vec<String>) {
        let value = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value));
        let (named, default) = candidates(value, Some(program.as_ref()));
        let texts = |paths: Vec<PathBuf>| paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        (texts(named), texts(default))
    }

    #[test]
    fn folders_in_their_order() {
        let variables = [("PERSONA_MODELS", "/a:rel::/b/"), ("XDG_DATA_HOME", "/data"), ("HOME", "/home/u")];
        let (named, default) = of(&variables, "/opt/bin/persona-engine");
        assert_eq!(named, ["/a", "rel", "/b/"]);
        let beside = ["/opt/bin/persona-engine-models", "/opt/bin/weights"];
        assert_eq!(default, [beside[0], beside[1], "/data/persona-engine", "/usr/share/persona-engine"]);
    }

    #[test]
    fn unset_variables_are_left_out() {
        for variables in [&[("HOME", "/home/u")][..], &[("HOME", "/home/u"), ("XDG_DATA_HOME", "relative")]] {
            let (named, default) = of(variables, "/bin/p");
            assert_eq!((named.len(), default[2].as_str()), (0, "/home/u/.local/share/persona-engine"));
        }
        let (named, default) = of(&[("PERSONA_MODELS", ""), ("XDG_DATA_HOME", "")], "/bin/p");
        assert_eq!((named.len(), default.len()), (0, 3));
        assert_eq!(candidates(|_| None, None).1, [PathBuf::from("/usr/share/persona-engine")]);
    }

    #[test]
    fn a_separator_or_the_ending_makes_a_path() {
        for path in ["./x", "x/", "/", "../xvector-cnn", "x.safetensors", ".safetensors"] {
            assert!(is_path(path.as_ref()), "{path}");
        }
        for name in ["xvector-cnn", "", "x.safetensors.gz", "safetensors", ".."] {
            assert!(!is_path(name.as_ref()), "{name}");
        }
    }
}
