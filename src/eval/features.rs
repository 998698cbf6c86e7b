//! A file of stored log-mel features: one uint8 tensor `[frames, bands]` per clip, `dB = value /
//! 255 · 80 − 80`.
//!
//! The header is read once and a clip's bytes on demand, so that memory use does not depend on the
//! size of the file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::engine::{Frontend, Manifest};
use crate::error::{Error, Result};
use crate::models::FrontendKind;

/// Maximum size of the header: 256 MiB, some two million clips.
const MAX_HEADER_BYTES: u64 = 256 << 20;
/// Maximum number of values of one clip: ten minutes of 128 bands.
const MAX_VALUES: usize = 128 * 37_500;
/// Range of the 8-bit values in dB.
const RANGE_DB: f32 = 80.0;
const FORMAT: &str = "features file";

/// Position of a clip in the file.
#[derive(Debug, Clone, Copy)]
struct Position {
    start: u64,
    frames: usize,
}

/// An open features file.
#[derive(Debug)]
pub(super) struct FeatureFile {
    path: PathBuf,
    bands: usize,
    positions: HashMap<String, Position>,
}

impl FeatureFile {
    /// Opens a file and checks that it contains features of the model's front-end.
    ///
    /// # Errors
    /// With the file's name: [`Error::Read`], [`Error::Malformed`], [`Error::Limit`];
    /// [`Error::Unsupported`] for a model with another front-end, or for tensors of another type or
    /// width.
    pub(super) fn open(path: &Path, manifest: &Manifest) -> Result<Self> {
        let open = || {
            check_frontend(&manifest.frontend)?;
            Self::read(path, manifest.frontend.bands())
        };
        open().map_err(|error| error.in_file(path))
    }

    fn read(path: &Path, bands: usize) -> Result<Self> {
        let mut file = File::open(path)?;
        let size = file.metadata()?.len();
        let (metadata, begin) = header(&mut file, size)?;
        let mut positions = HashMap::new();
        for (name, info) in metadata.tensors() {
            let &[frames, width] = info.shape.as_slice() else {
                return Err(unsupported(&name, &format!("has the shape {:?}", info.shape), bands));
            };
            if info.dtype != Dtype::U8 || width != bands || frames.saturating_mul(width) > MAX_VALUES {
                return Err(unsupported(&name, &format!("is {:?} {:?}", info.dtype, info.shape), bands));
            }
            positions.insert(name, Position { start: begin + info.data_offsets.0 as u64, frames });
        }
        Ok(Self { path: path.to_owned(), bands, positions })
    }

    /// Whether the file contains this clip.
    pub(super) fn has(&self, clip: &str) -> bool {
        self.positions.contains_key(clip)
    }

    /// A reader for one thread.
    ///
    /// # Errors
    /// [`Error::Read`] if the file cannot be opened again.
    pub(super) fn reader(&self) -> Result<ClipReader<'_>> {
        let file = File::open(&self.path).map_err(|error| Error::from(error).in_file(&self.path))?;
        Ok(ClipReader { features: self, file, bytes: Vec::new() })
    }
}

/// Reader of one clip at a time.
pub(super) struct ClipReader<'a> {
    features: &'a FeatureFile,
    file: File,
    bytes: Vec<u8>,
}

impl ClipReader<'_> {
    /// Overwrites `decibels` with a clip's `[frames, bands]` in dB below its peak, −80 to 0.
    /// Returns the number of frames.
    ///
    /// # Errors
    /// [`Error::Malformed`] for an unknown clip, [`Error::Read`] if the file was truncated after it
    /// was opened.
    pub(super) fn read(&mut self, clip: &str, decibels: &mut Vec<f32>) -> Result<usize> {
        let Some(position) = self.features.positions.get(clip) else {
            return Err(Error::malformed(FORMAT, format!("no clip `{clip}`")).in_file(&self.features.path));
        };
        self.bytes.resize(position.frames * self.features.bands, 0);
        let read = self.file.seek(SeekFrom::Start(position.start)).and_then(|_| self.file.read_exact(&mut self.bytes));
        read.map_err(|error| Error::from(error).in_file(&self.features.path))?;
        decibels.clear();
        decibels.extend(self.bytes.iter().map(|&value| f32::from(value) / 255.0 * RANGE_DB - RANGE_DB));
        Ok(position.frames)
    }
}

/// The header, and the offset of the tensors.
fn header(file: &mut File, size: u64) -> Result<(Metadata, u64)> {
    let mut length = [0; 8];
    file.read_exact(&mut length)
        .map_err(|_| Error::malformed(FORMAT, format!("{size} bytes are too few for a safetensors file")))?;
    let length = u64::from_le_bytes(length);
    if length > size {
        return Err(Error::malformed(FORMAT, format!("a header of {length} bytes in a file of {size}")));
    }
    if length > MAX_HEADER_BYTES {
        return Err(Error::Limit { what: "features file's header in bytes", actual: length, limit: MAX_HEADER_BYTES });
    }
    let mut json = vec![0; length as usize];
    file.read_exact(&mut json)?;
    let metadata: Metadata = serde_json::from_slice(&json)
        .map_err(|error| Error::malformed(FORMAT, format!("the header is not valid JSON: {error}")))?;
    let (begin, actual) = (8 + length, size.saturating_sub(8 + length));
    if metadata.data_len() as u64 != actual {
        let claims = metadata.data_len();
        return Err(Error::malformed(
            FORMAT,
            format!("its tensors need {claims} bytes, the file has {actual}; copy it again"),
        ));
    }
    Ok((metadata, begin))
}

fn unsupported(clip: &str, is: &str, bands: usize) -> Error {
    Error::Unsupported(format!("clip `{clip}` {is}; expected uint8 [frames, {bands}] with at most {MAX_VALUES} values"))
}

/// Fails for a model whose front-end differs from that of the files: log-mel at 16 kHz, 1024-point
/// periodic Hann window, hop 256, 128 Slaney bands to 8 kHz, dB below the clip's peak, floor −80.
fn check_frontend(frontend: &Frontend) -> Result<()> {
    // window, padding, scale, norm and reference have one value each, that of the files
    let FrontendKind::LogMel(recipe) = &frontend.kind else {
        let what = "stored log-mel features need a model with a log-mel front-end, which this model does not have; \
            evaluate it on audio files";
        return Err(Error::Unsupported(what.into()));
    };
    let options = [
        ("sample_rate_hz", f64::from(recipe.sample_rate_hz), 16_000.0),
        ("n_fft", recipe.n_fft as f64, 1024.0),
        ("hop_length", recipe.hop_length as f64, 256.0),
        ("n_mels", recipe.n_mels as f64, 128.0),
        ("f_min_hz", recipe.f_min_hz, 0.0),
        ("f_max_hz", recipe.f_max_hz, 8_000.0),
        ("power", recipe.power, 2.0),
        ("amin", recipe.amin, 1e-10),
        ("top_db", recipe.top_db, 80.0),
    ];
    match options.iter().find(|(_, is, stored)| is != stored) {
        None => Ok(()),
        Some((option, is, stored)) => Err(Error::Unsupported(format!(
            "the features have {option} {stored}, the model expects {is}; evaluate it on audio files"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::{TensorView, serialize};

    fn written(name: &str, bytes: &[u8]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("persona-engine-{}-{name}.safetensors", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn file(dtype: Dtype, shape: &[usize], bytes: &[u8]) -> Vec<u8> {
        serialize([("clip", TensorView::new(dtype, shape.to_vec(), bytes).unwrap())], None).unwrap()
    }

    fn error_of(name: &str, bytes: &[u8]) -> String {
        let path = written(name, bytes);
        let message = FeatureFile::read(&path, 2).unwrap_err().to_string();
        std::fs::remove_file(path).unwrap();
        message
    }

    #[test]
    fn values_become_decibels() {
        let path = written("values", &file(Dtype::U8, &[3, 2], &[0, 255, 51, 102, 204, 1]));
        let features = FeatureFile::read(&path, 2).unwrap();
        let mut decibels = vec![f32::NAN; 99];
        assert_eq!(features.reader().unwrap().read("clip", &mut decibels).unwrap(), 3);
        let expected = [-80.0, 0.0, -64.0, -48.0, -16.0, 80.0 / 255.0 - 80.0];
        decibels.iter().zip(expected).for_each(|(a, b)| approx::assert_abs_diff_eq!(*a, b, epsilon = 1e-5));
        assert_eq!(decibels.len(), 6);
        assert!(features.has("clip") && !features.has("other"));
        assert!(features.reader().unwrap().read("other", &mut decibels).unwrap_err().to_string().contains("`other`"));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn invalid_features_files_are_errors() {
        let whole = file(Dtype::U8, &[3, 2], &[0; 6]);
        assert!(error_of("cut", &whole[..whole.len() - 1]).contains("copy it again"));
        assert!(error_of("head", &whole[..20]).contains("a header of"));
        assert!(error_of("none", b"abc").contains("3 bytes are too few"));
        assert!(error_of("text", b"file,emotion\na.wav,ANG\n").contains("a header of"));
        assert!(error_of("width", &file(Dtype::U8, &[2, 3], &[0; 6])).contains("[frames, 2]"));
        assert!(error_of("type", &file(Dtype::F32, &[3, 2], &[0; 24])).contains("F32"));
        assert!(error_of("flat", &file(Dtype::U8, &[6], &[0; 6])).contains("[6]"));
    }

    #[cfg(embedded_weights)]
    fn xvector_cnn() -> crate::engine::Model {
        crate::engine::Catalogue::of(&[]).load("xvector-cnn", crate::engine::LoadOptions::default()).unwrap()
    }

    #[cfg(embedded_weights)]
    #[test]
    fn a_model_with_another_front_end_is_an_error() {
        let mut manifest = xvector_cnn().manifest().clone();
        check_frontend(&manifest.frontend).unwrap();
        let FrontendKind::LogMel(recipe) = &mut manifest.frontend.kind else { panic!("{:?}", manifest.frontend) };
        recipe.n_mels = 64;
        let message = FeatureFile::open("/nowhere".as_ref(), &manifest).unwrap_err().to_string();
        assert!(
            message.contains("n_mels 128") && message.contains("64") && message.contains("audio files"),
            "{message}"
        );
    }
}
