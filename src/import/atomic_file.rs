//! Atomic file output: a file appears complete or not at all.
//!
//! The content goes to a temporary file in the same folder, which is synced to the disk and then
//! renamed. Used for the model files of this layer, and by the program for its own outputs.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// Writes a file atomically: `write` fills a temporary file, which then replaces `path`.
///
/// On any error `path` keeps its content and the temporary file is deleted. An existing file keeps
/// its permissions. A device, a pipe or a symbolic link (`/dev/stdout`) cannot be replaced and is
/// written directly.
///
/// # Errors
///
/// [`Error::Write`] names `path` for everything that the operating system refuses, also inside
/// `write`; other errors of `write` are returned unchanged.
pub fn write_atomically<T>(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    if fs::symlink_metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        let file = File::create(path).map_err(|error| not_written(path, error.into()))?;
        return fill(path, &file, write);
    }
    let pending = PendingFile::create(path)?;
    let written = pending.fill(write)?;
    pending.commit()?;
    Ok(written)
}

/// A temporary file that will replace `path`. Dropped, it is deleted.
pub(super) struct PendingFile<'p> {
    path: &'p Path,
    temporary: NamedTempFile,
}

impl<'p> PendingFile<'p> {
    /// Creates the temporary file, with the permissions of the file at `path` or, if there is none,
    /// of a new file.
    pub(super) fn create(path: &'p Path) -> Result<Self> {
        let mut prefix = path.file_name().unwrap_or_default().to_owned();
        prefix.push(".");
        // Opened here and not by `tempfile`, which would allow the owner alone to read it.
        let open = |temporary: &Path| File::options().read(true).write(true).create_new(true).open(temporary);
        let created = tempfile::Builder::new().prefix(&prefix).suffix(".part").make_in(folder_of(path), open);
        let temporary = created.and_then(|temporary| {
            if let Ok(existing) = fs::metadata(path) {
                temporary.as_file().set_permissions(existing.permissions())?;
            }
            Ok(temporary)
        });
        let temporary = temporary.map_err(|error| not_written(path, error.into()))?;
        Ok(Self { path, temporary })
    }

    /// The temporary file's own path.
    pub(super) fn temporary_path(&self) -> &Path {
        self.temporary.path()
    }

    /// Writes the content.
    pub(super) fn fill<T>(&self, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
        fill(self.path, self.temporary.as_file(), write)
    }

    /// Replaces `path`, once the content and then the folder's entry are on the disk.
    pub(super) fn commit(self) -> Result<()> {
        let Self { path, temporary } = self;
        let renamed =
            temporary.as_file().sync_all().and_then(|()| temporary.persist(path).map_err(|error| error.error));
        renamed.map_err(|error| not_written(path, error.into()))?;
        // A folder that cannot be opened or synced (Windows) is synced by the system itself.
        let _ = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
        Ok(())
    }
}

fn fill<T>(path: &Path, file: &File, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let mut buffered = BufWriter::new(file);
    let written = write(&mut buffered).and_then(|written| {
        buffered.flush()?;
        Ok(written)
    });
    written.map_err(|error| not_written(path, error))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writers report the operating system's errors as [`Error::Read`], by `?`.
fn not_written(path: &Path, error: Error) -> Error {
    match error {
        Error::Read(error) => Error::write(path.display().to_string(), error),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, bytes: &[u8]) -> Result<()> {
        write_atomically(path, |out| Ok(out.write_all(bytes)?))
    }

    #[test]
    fn a_file_appears_complete_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.safetensors");
        write(&path, b"first").unwrap();
        write(&path, b"second").unwrap();
        let failed = write_atomically(&path, |out| -> Result<()> {
            out.write_all(b"third")?;
            Err(Error::usage("stop"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "stop");
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file is left");
    }

    #[test]
    fn a_refusal_of_the_system_names_the_output_alone() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none/out");
        let error = write(&missing, b"").unwrap_err();
        assert!(matches!(error, Error::Write { .. }), "{error}");
        let message = error.to_string();
        assert!(message.starts_with(&format!("cannot write {}: ", missing.display())), "{message}");
        assert!(!message.contains(".part"), "{message}");
        assert!(matches!(write(folder.path(), b""), Err(Error::Write { .. })), "a folder cannot be written");
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_kept_and_links_are_followed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let (path, new, link) = (folder.path().join("kept"), folder.path().join("new"), folder.path().join("link"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        write(&path, b"").unwrap();
        File::create(&new).unwrap();
        assert_eq!(mode(&path), mode(&new), "a new file has the permissions of any new file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o606)).unwrap();
        write(&path, b"").unwrap();
        assert_eq!(mode(&path), 0o606);
        symlink(&path, &link).unwrap();
        write(&link, b"through").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"through");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }
}
