//! The model file's reader: a safetensors file as named tensors, each taken once, with the shape that the caller expects.
//!
//! ```text
//! 8 bytes: header length, little-endian · header: JSON · tensors, one after the other, little-endian
//! ```
//!
//! A tensor of type I8 holds codes from −127 to 127 and has a companion `NAME.largest`: for each index of its first axis, an output of a layer, the
//! weight that the code 127 stands for. A code c stands for `c / 127` of that; ±127 for exactly ± that, so that a layer of
//! [`Precision::Int8`] makes the same codes of the values again. Where the layer makes up for the rounding, a companion `NAME.lost` says for what ([`crate::nn::rounding`]).
//!
//! Nothing is believed. Lengths are held against the bytes that are there before anything is allocated, so memory follows the
//! file's size, never its claims; types are F16, BF16, F32 and I8; every value must be finite; and [`Weights::finish`] refuses what nobody took.

mod header;
mod stored;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::nn::{Precision, Tensor, all_finite};

pub use header::Header;

use stored::{Place, Stored};

/// The largest model file that is read: 2 GiB. WavLM Large in f32 is 1.2.
pub const MAX_FILE_BYTES: u64 = 1 << 31;
/// The longest header that is parsed: 4 MiB, a hundred times what a large network's tensors need.
pub const MAX_HEADER_BYTES: u64 = 4 << 20;

const FORMAT: &str = "model file";
const LENGTH_BYTES: usize = 8;

/// The bytes of a model file.
///
/// # Errors
///
/// With the path: [`Error::Read`] where the system refuses, [`Error::Unsupported`] for what is no regular file,
/// [`Error::Limit`] beyond [`MAX_FILE_BYTES`].
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    let read = || {
        let (file, claimed) = open_regular(path)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(too_large(claimed.max(bytes.len() as u64)));
        }
        Ok(bytes)
    };
    read().map_err(|error| error.in_file(path))
}

/// A regular file of a size that is read, and that size. Its kind is asked before it is opened: opening a pipe would wait for its writer.
pub(crate) fn open_regular(path: &Path) -> Result<(File, u64)> {
    let kind = std::fs::metadata(path)?;
    if !kind.is_file() {
        let what = if kind.is_dir() { "a directory" } else { "no regular file" };
        return Err(Error::Unsupported(format!("{what}; a model is one file, such as xvector-cnn.safetensors")));
    }
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    if bytes > MAX_FILE_BYTES { Err(too_large(bytes)) } else { Ok((file, bytes)) }
}

fn too_large(actual: u64) -> Error {
    Error::Limit { what: "model file's size in bytes", actual, limit: MAX_FILE_BYTES }
}

/// A model file's tensors that nobody took yet, and its header's texts.
#[derive(Debug)]
pub struct Weights<'a> {
    precision: Precision,
    texts: BTreeMap<String, String>,
    tensors: BTreeMap<String, Stored<'a>>,
    /// Names of those that became the codes of a layer.
    as_codes: Vec<String>,
    /// What their rounding loses, of those whose layers make up for it.
    lost: BTreeMap<String, Vec<f32>>,
}

/// A tensor as its file has it.
#[derive(Debug)]
pub struct StoredTensor<'a> {
    /// Name.
    pub name: &'a str,
    /// Type of the values.
    pub dtype: Dtype,
    /// Shape.
    pub shape: &'a [usize],
    /// The values' little-endian bytes.
    pub bytes: Cow<'a, [u8]>,
}

/// What is added to the name of a tensor of codes for that of its companion.
pub const LARGEST: &str = ".largest";

impl<'a> Weights<'a> {
    /// Reads the header and finds the tensors; converts none yet.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where the bytes are no whole safetensors file, [`Error::Limit`] for a header beyond
    /// [`MAX_HEADER_BYTES`].
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self> {
        let (header, data) = header::split(bytes)?;
        let header = header::parse(header, data.len() as u64)?;
        let mut tensors = BTreeMap::new();
        for (name, info) in header.tensors() {
            let (start, end) = info.data_offsets;
            let bytes =
                data.get(start..end).ok_or_else(|| malformed(format!("tensor `{name}` lies outside the file")))?;
            let place = Place::Memory(bytes.into());
            tensors.insert(name, Stored { dtype: info.dtype, shape: info.shape.clone(), place });
        }
        Ok(Self::of(header::texts(&header), tensors))
    }

    /// Reads a file's header; a tensor's bytes are read when it is asked for, so that memory holds one of them at a time.
    ///
    /// # Errors
    ///
    /// Those of [`read_file`] and [`Self::from_bytes`], with the path.
    pub fn open(path: &Path) -> Result<Self> {
        let read = || {
            let (mut file, file_bytes) = open_regular(path)?;
            let (header, data) = header::read(&mut file, file_bytes)?;
            let file = Arc::new(file);
            let stored = |info: &TensorInfo| {
                let (start, end) = info.data_offsets;
                let place = Place::File { file: Arc::clone(&file), start: data + start as u64, length: end - start };
                Stored { dtype: info.dtype, shape: info.shape.clone(), place }
            };
            let tensors = header.tensors().into_iter().map(|(name, info)| (name, stored(info))).collect();
            Ok(Self::of(header::texts(&header), tensors))
        };
        read().map_err(|error: Error| error.in_file(path))
    }

    /// Of which nobody took or noted anything yet.
    fn of(texts: BTreeMap<String, String>, tensors: BTreeMap<String, Stored<'a>>) -> Self {
        Self { precision: Precision::F32, texts, tensors, as_codes: Vec::new(), lost: BTreeMap::new() }
    }

    /// Layers that are loaded from here compute in this precision, where they can; in [`Precision::F32`] unless told.
    pub fn set_precision(&mut self, precision: Precision) {
        self.precision = precision;
    }

    /// In which precision layers shall compute.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Tensors of another format: name, type, shape, and the values' little-endian bytes, row by row. The last of a name stands.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] where the bytes are not as many as type and shape need.
    pub fn from_tensors(tensors: impl IntoIterator<Item = (String, Dtype, Vec<usize>, Cow<'a, [u8]>)>) -> Result<Self> {
        let mut all = BTreeMap::new();
        for (name, dtype, shape, bytes) in tensors {
            let needed = shape.iter().try_fold(dtype.bitsize(), |bits, n| bits.checked_mul(*n));
            if needed.is_none_or(|bits| bits % 8 != 0 || bits / 8 != bytes.len()) {
                let (expected, actual) = (format!("{dtype:?} of shape {shape:?}"), format!("{} bytes", bytes.len()));
                return Err(Error::Tensor { name, expected, actual });
            }
            all.insert(name, Stored { dtype, shape, place: Place::Memory(bytes) });
        }
        Ok(Self::of(BTreeMap::new(), all))
    }

    /// A text of the header's `__metadata__`.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// Names of the tensors that nobody took yet, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape of a tensor that nobody took yet.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|stored| stored.shape.as_slice())
    }

    /// Whether tensors that nobody took yet are stored as codes.
    pub fn hold_codes(&self) -> bool {
        self.tensors.values().any(|stored| stored.dtype == Dtype::I8)
    }

    /// To be told by a layer that computes with the codes of a tensor which it took.
    pub fn note_codes(&mut self, name: String) {
        self.as_codes.push(name);
    }

    /// To be told by a layer that makes up for what the rounding of a tensor to codes loses: see [`crate::nn::rounding`].
    pub fn note_lost(&mut self, name: String, lost: Vec<f32>) {
        self.lost.insert(name, lost);
    }

    /// The tensors of which [`Self::note_codes`] was told, and what [`Self::note_lost`] was told of each.
    pub fn as_codes(&self) -> impl Iterator<Item = (&str, Option<&[f32]>)> {
        self.as_codes.iter().map(|name| (name.as_str(), self.lost.get(name).map(Vec::as_slice)))
    }

    /// All tensors that nobody took yet.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where a file cannot be read any more.
    pub fn stored(&self) -> impl Iterator<Item = Result<StoredTensor<'_>>> {
        self.tensors.iter().map(|(name, stored)| {
            let bytes = stored.bytes()?;
            Ok(StoredTensor { name, dtype: stored.dtype, shape: &stored.shape, bytes })
        })
    }

    /// SHA-256, in hex, over the tensors that nobody took yet, in the order of their names: name, a 0 byte, the bytes stored.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where a file cannot be read any more.
    pub fn sha256(&self) -> Result<String> {
        tensors_sha256(self.tensors.iter().map(|(name, stored)| (name.as_str(), stored.bytes())))
    }

    /// Holds [`Self::sha256`] against the one that the file's maker wrote down.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] where they differ: the file was damaged on its way. [`Error::Read`] where it cannot be read any more.
    pub fn check_sha256(&self, expected: &str) -> Result<()> {
        let actual = self.sha256()?;
        if actual.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        Err(malformed(format!(
            "the checksum of its tensors is {actual}, its header says {expected}: the file was damaged or changed. Copy it again"
        )))
    }

    /// Takes a tensor out, as f32.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] names the tensor if it is missing (or was taken before), has another shape, another type than
    /// F16, BF16, F32 or I8, or a value that is not finite; or its companion, if it holds codes; [`Error::Read`] where its file cannot be read any more.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let stored = self.remove(name, shape)?;
        let values = if stored.dtype == Dtype::I8 { self.decoded(name, &stored)? } else { stored.to_f32()? };
        let Some(values) = values else {
            return Err(wrong(name, "type F16, BF16, F32 or I8".into(), format!("{:?}", stored.dtype)));
        };
        if !all_finite(&values) {
            let at = values.iter().position(|v| !v.is_finite()).unwrap_or_default();
            let what = format!("{} at index {at} of {}", values[at], values.len());
            return Err(wrong(name, "finite values".into(), what));
        }
        Ok(Tensor::new(shape, values))
    }

    /// Takes a tensor out as it is stored, if it is of type F16; leaves another one there.
    ///
    /// # Errors
    ///
    /// As [`Self::take`].
    pub fn take_f16(&mut self, name: &str, shape: &[usize]) -> Result<Option<Vec<f16>>> {
        if self.tensors.get(name).is_none_or(|stored| stored.dtype != Dtype::F16) {
            return Ok(None);
        }
        let stored = self.remove(name, shape)?;
        let values: Vec<f16> = stored.bytes()?.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b)).collect();
        // the infinities and NaN have the largest bits
        let largest = values.iter().fold(0, |most, v| most.max(v.to_bits() & 0x7fff));
        if largest >= f16::INFINITY.to_bits() {
            let at = values.iter().position(|v| !v.is_finite()).unwrap_or_default();
            let what = format!("{} at index {at} of {}", values[at], values.len());
            return Err(wrong(name, "finite values".into(), what));
        }
        Ok(Some(values))
    }

    fn remove(&mut self, name: &str, shape: &[usize]) -> Result<Stored<'a>> {
        let Some(stored) = self.tensors.remove(name) else {
            return Err(wrong(name, format!("shape {shape:?}"), "no such tensor".into()));
        };
        if stored.shape != shape {
            return Err(wrong(name, format!("shape {shape:?}"), format!("shape {:?}", stored.shape)));
        }
        Ok(stored)
    }

    /// What a tensor's codes stand for, by its companion, which is taken too.
    fn decoded(&mut self, name: &str, stored: &Stored<'_>) -> Result<Option<Vec<f32>>> {
        let (bytes, outputs) = (stored.bytes()?, stored.shape.first().copied().unwrap_or(0));
        let companion = format!("{name}{LARGEST}");
        let largest = self.take(&companion, &[outputs])?;
        if let Some(negative) = largest.values().iter().find(|x| **x < 0.0) {
            return Err(wrong(&companion, "magnitudes, none below 0".into(), negative.to_string()));
        }
        if bytes.contains(&i8::MIN.cast_unsigned()) {
            return Err(wrong(name, "codes from -127 to 127".into(), "-128".to_owned()));
        }
        let rows = bytes.chunks_exact((bytes.len() / outputs.max(1)).max(1));
        let value = |code: u8, largest: f32| match code.cast_signed() {
            i8::MAX => largest,
            -127 => -largest,
            code => f32::from(code) * largest / 127.0,
        };
        let decoded =
            rows.zip(largest.values()).flat_map(|(row, largest)| row.iter().map(move |code| value(*code, *largest)));
        Ok(Some(decoded.collect()))
    }

    /// To be called when everything was taken.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] names the first tensor left over: the file is of another network than its recipe says.
    pub fn finish(self) -> Result<()> {
        let others = self.tensors.len().saturating_sub(1);
        match self.tensors.into_iter().next() {
            None => Ok(()),
            Some((name, stored)) => Err(Error::Tensor {
                name,
                expected: "no such tensor in a network of this recipe".into(),
                actual: format!("shape {:?}, and {others} more left over", stored.shape),
            }),
        }
    }
}

fn wrong(name: &str, expected: String, actual: String) -> Error {
    Error::Tensor { name: name.to_owned(), expected, actual }
}

/// SHA-256, in hex, over tensors in the order in which they come, that of their names: name, a 0 byte, the bytes stored.
pub(crate) fn tensors_sha256<'t>(tensors: impl Iterator<Item = (&'t str, Result<Cow<'t, [u8]>>)>) -> Result<String> {
    let mut digest = Sha256::new();
    for (name, bytes) in tensors {
        digest.update(name.as_bytes());
        digest.update([0]);
        digest.update(&bytes?);
    }
    Ok(hex(&digest.finalize()))
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        text.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or_default()));
        text
    })
}

fn malformed(what: String) -> Error {
    Error::malformed(FORMAT, what)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use half::{bf16, f16};
    use safetensors::tensor::{TensorView, serialize};

    type Part<'a> = (&'a str, Dtype, &'a [usize], Vec<u8>);

    fn file_of(parts: &[Part<'_>]) -> Vec<u8> {
        let views = parts
            .iter()
            .map(|(name, dtype, shape, bytes)| (*name, TensorView::new(*dtype, shape.to_vec(), bytes).unwrap()));
        serialize(views, None).unwrap()
    }

    fn f32_bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }

    /// A safetensors file of f32 tensors.
    pub(crate) fn file(parts: &[(&str, &[usize], &[f32])]) -> Vec<u8> {
        let parts: Vec<Part<'_>> = parts.iter().map(|(n, s, v)| (*n, Dtype::F32, *s, f32_bytes(v))).collect();
        file_of(&parts)
    }

    fn raw(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn reads_the_three_types() {
        let f16_bytes = [1.5_f32, -0.25].iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect();
        let bf16_bytes = [3.0_f32, -2.5].iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect();
        let bytes = file_of(&[
            ("a", Dtype::F32, &[1, 2], f32_bytes(&[0.1, 0.2])),
            ("b", Dtype::F16, &[2], f16_bytes),
            ("c", Dtype::BF16, &[2, 1], bf16_bytes),
            ("d", Dtype::F32, &[0, 3], vec![]),
        ]);
        let mut weights = Weights::from_bytes(&bytes).unwrap();
        assert_eq!(weights.take("a", &[1, 2]).unwrap().values(), [0.1, 0.2]);
        assert_eq!(weights.take("b", &[2]).unwrap().values(), [1.5, -0.25]);
        assert_eq!(weights.take("c", &[2, 1]).unwrap().values(), [3.0, -2.5]);
        assert_eq!(weights.take("d", &[0, 3]).unwrap().values(), [0.0; 0]);
        weights.finish().unwrap();
    }

    #[test]
    fn each_wrong_tensor_is_named() {
        let bytes = file_of(&[
            ("short", Dtype::F32, &[2], f32_bytes(&[1.0, 2.0])),
            ("double", Dtype::F64, &[1], vec![0; 8]),
            ("nan", Dtype::F32, &[3], f32_bytes(&[1.0, 2.0, f32::NAN])),
            ("inf", Dtype::F16, &[1], f16::INFINITY.to_le_bytes().to_vec()),
        ]);
        let mut weights = Weights::from_bytes(&bytes).unwrap();
        let mut message = |name: &str, shape: &[usize]| weights.take(name, shape).unwrap_err().to_string();
        assert!(message("gone", &[4]).contains("`gone`: expected shape [4], found no such tensor"));
        assert!(message("short", &[3]).contains("`short`: expected shape [3], found shape [2]"));
        assert!(message("double", &[1]).contains("`double`: expected type F16, BF16, F32 or I8, found F64"));
        assert!(message("nan", &[3]).contains("`nan`: expected finite values, found NaN at index 2 of 3"));
        assert!(message("inf", &[1]).contains("`inf`: expected finite values, found inf at index 0 of 1"));
    }

    fn codes(codes: &[i8]) -> Vec<u8> {
        codes.iter().map(|code| code.cast_unsigned()).collect()
    }

    #[test]
    fn codes_stand_for_parts_of_the_largest() {
        let bytes = file_of(&[
            ("w", Dtype::I8, &[2, 2, 1], codes(&[127, -127, 0, 1])),
            ("w.largest", Dtype::F32, &[2], f32_bytes(&[0.3, 12.7])),
            ("none", Dtype::I8, &[0, 3], vec![]),
            ("none.largest", Dtype::F32, &[0], vec![]),
        ]);
        let mut weights = Weights::from_bytes(&bytes).unwrap();
        assert!(weights.hold_codes());
        assert_eq!(weights.take("w", &[2, 2, 1]).unwrap().values(), [0.3, -0.3, 0.0, 12.7 / 127.0]);
        assert_eq!(weights.take("none", &[0, 3]).unwrap().values(), [0.0; 0]);
        assert!(!weights.hold_codes());
        weights.finish().unwrap();
    }

    #[test]
    fn codes_that_mean_nothing_are_named() {
        let of = |name: &str, dtype, values: Vec<u8>, least: i8| {
            let bytes = file_of(&[("w", Dtype::I8, &[2, 1], codes(&[least, 3])), (name, dtype, &[2], values)]);
            Weights::from_bytes(&bytes).unwrap().take("w", &[2, 1]).unwrap_err().to_string()
        };
        let sound = || f32_bytes(&[1.0, 2.0]);
        for (message, words) in [
            (of("other", Dtype::F32, sound(), 1), "`w.largest`: expected shape [2], found no such tensor"),
            (of("w.largest", Dtype::F64, vec![0; 16], 1), "`w.largest`: expected type F16, BF16, F32 or I8, found F64"),
            (of("w.largest", Dtype::F32, f32_bytes(&[1.0, f32::NAN]), 1), "`w.largest`: expected finite values"),
            (of("w.largest", Dtype::F32, f32_bytes(&[1.0, -2.0]), 1), "`w.largest`: expected magnitudes"),
            (of("w.largest", Dtype::I8, vec![1; 2], 1), "`w.largest.largest`"),
            (of("w.largest", Dtype::F32, sound(), -128), "`w`: expected codes from -127 to 127"),
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        let bytes = file_of(&[("w.largest", Dtype::F32, &[2], sound())]);
        assert!(Weights::from_bytes(&bytes).unwrap().finish().unwrap_err().to_string().contains("`w.largest`"));
    }

    #[test]
    fn a_tensor_left_over_is_named() {
        let bytes = file(&[("a", &[1], &[1.0]), ("b", &[1], &[1.0]), ("c", &[1], &[1.0])]);
        let mut weights = Weights::from_bytes(&bytes).unwrap();
        weights.take("b", &[1]).unwrap();
        let message = weights.finish().unwrap_err().to_string();
        assert!(message.contains("`a`") && message.contains("1 more"), "{message}");
    }

    #[test]
    fn checksum_is_the_definition_and_a_wrong_one_says_what_to_do() {
        let bytes = file(&[("b", &[1], &[2.0]), ("a", &[1], &[1.0])]);
        let weights = Weights::from_bytes(&bytes).unwrap();
        let want = Sha256::digest([&b"a\0"[..], &1.0_f32.to_le_bytes(), b"b\0", &2.0_f32.to_le_bytes()].concat());
        weights.check_sha256(&hex(&want)).unwrap();
        assert_eq!(hex(&[0, 1, 0xAB, 0xFF]), "0001abff");
        let message = weights.check_sha256("00").unwrap_err().to_string();
        assert!(message.contains("Copy it again"), "{message}");
    }

    #[test]
    fn a_file_cut_anywhere_is_malformed() {
        let bytes = file(&[("a", &[2, 3], &[1.0; 6]), ("b", &[1], &[1.0])]);
        for length in 0..bytes.len() {
            let error = Weights::from_bytes(&bytes[..length]).unwrap_err();
            assert!(matches!(error, Error::Malformed { .. }), "{length}: {error}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(Weights::from_bytes(&longer), Err(Error::Malformed { .. })));
    }

    #[test]
    fn claims_of_the_header_are_not_believed() {
        let far = usize::MAX & !7;
        for header in [
            "",
            "{",
            "[]",
            "null",
            "\u{fffd}",
            "{\"__metadata__\":{\"persona\":1}}",
            "{\"a\":{}}",
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[8,4]}}"#,
            r#"{"a":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}"#,
            r#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#,
            r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#,
        ] {
            let error = Weights::from_bytes(&raw(header, &[0; 4])).unwrap_err();
            assert!(matches!(error, Error::Malformed { .. }), "{header}: {error}");
        }
        // tensors that reach to the end of the address space: places add up, the file does not
        let eighth = far / 8;
        let tensor = |k: usize| {
            let (start, end) = (k * eighth, (k + 1) * eighth);
            format!("\"t{k}\":{{\"dtype\":\"U8\",\"shape\":[{eighth}],\"data_offsets\":[{start},{end}]}}")
        };
        let header = format!("{{{}}}", (0..8).map(tensor).collect::<Vec<_>>().join(","));
        assert!(matches!(Weights::from_bytes(&raw(&header, &[])), Err(Error::Malformed { .. })));
    }

    #[test]
    fn a_long_header_is_refused_before_it_is_parsed() {
        let mut bytes = file(&[("a", &[1], &[1.0])]);
        bytes[..8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
        assert!(matches!(Weights::from_bytes(&bytes), Err(Error::Malformed { .. })));
        bytes.resize(MAX_HEADER_BYTES as usize + 100, b' ');
        bytes[..8].copy_from_slice(&(MAX_HEADER_BYTES + 1).to_le_bytes());
        assert!(matches!(Weights::from_bytes(&bytes), Err(Error::Limit { .. })));
    }

    #[test]
    fn a_file_gives_the_tensors_of_its_bytes() {
        let bf16_bytes: Vec<u8> = [3.0_f32, -2.5].iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect();
        let bytes = file_of(&[
            ("a", Dtype::F32, &[1, 2], f32_bytes(&[0.1, 0.2])),
            ("b", Dtype::BF16, &[2], bf16_bytes),
            ("c", Dtype::F32, &[0, 3], vec![]),
        ]);
        let path = std::env::temp_dir().join(format!("persona-engine-{}-opened", std::process::id()));
        std::fs::write(&path, &bytes).unwrap();
        let (mut opened, mut read) = (Weights::open(&path).unwrap(), Weights::from_bytes(&bytes).unwrap());
        assert_eq!(opened.sha256().unwrap(), read.sha256().unwrap());
        for (name, shape) in [("b", vec![2]), ("a", vec![1, 2])] {
            assert_eq!(opened.take(name, &shape).unwrap().values(), read.take(name, &shape).unwrap().values());
        }
        // cut while it is open
        File::options().write(true).open(&path).unwrap().set_len(20).unwrap();
        assert!(opened.take("c", &[0, 3]).is_ok() && opened.finish().is_ok());
        let error = Weights::open(&path).unwrap_err();
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_shrinks_under_the_reader_is_an_error() {
        let path = std::env::temp_dir().join(format!("persona-engine-{}-shrinks", std::process::id()));
        std::fs::write(&path, file(&[("a", &[2], &[1.0, 2.0])])).unwrap();
        let mut weights = Weights::open(&path).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(70).unwrap();
        assert!(matches!(weights.sha256().unwrap_err(), Error::Read(_)));
        assert!(matches!(weights.take("a", &[2]).unwrap_err(), Error::Read(_)));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn what_is_no_file_is_told() {
        let folder = read_file(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_err();
        assert!(folder.to_string().contains("a directory"), "{folder}");
        let missing = read_file(Path::new("/nowhere/at-all.safetensors")).unwrap_err();
        assert!(missing.to_string().starts_with("/nowhere/at-all.safetensors: cannot read"), "{missing}");
    }
}
