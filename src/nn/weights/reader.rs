//! The reader of a model file: each tensor can be taken once, with the shape that the caller
//! expects.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use super::checksum::tensors_sha256;
use super::file::{malformed, open_regular};
use super::header;
use super::stored::{Place, Stored};
use crate::error::{Error, Result};
use crate::kernels::reduce::all_finite;
use crate::nn::quantisation::{LARGEST, dequantise};
use crate::nn::tensor::Tensor;

/// The tensors of a model file that have not been taken yet, and the texts of its header.
#[derive(Debug)]
pub struct Weights<'a> {
    texts: BTreeMap<String, String>,
    tensors: BTreeMap<String, Stored<'a>>,
}

/// A tensor as it is stored in its file.
#[derive(Debug)]
pub struct StoredTensor<'a> {
    /// Name.
    pub name: &'a str,
    /// Type of the values.
    pub dtype: Dtype,
    /// Shape.
    pub shape: &'a [usize],
    /// Little-endian bytes of the values.
    pub bytes: Cow<'a, [u8]>,
}

impl<'a> Weights<'a> {
    /// Reads the header and locates the tensors, without converting any.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if the bytes are not a complete safetensors file, [`Error::Limit`] for
    /// a header above [`MAX_HEADER_BYTES`](super::MAX_HEADER_BYTES).
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Self> {
        let (header, data) = header::split(bytes)?;
        let header = header::parse(header, data.len() as u64)?;
        let mut tensors = BTreeMap::new();
        for (name, info) in header.tensors() {
            let (start, end) = info.data_offsets;
            let bytes =
                data.get(start..end).ok_or_else(|| malformed(format!("tensor `{name}` is outside the file")))?;
            let place = Place::Memory(bytes.into());
            tensors.insert(name, Stored { dtype: info.dtype, shape: info.shape.clone(), place });
        }
        Ok(Self { texts: header::texts(&header), tensors })
    }

    /// Reads the header of a file. The bytes of a tensor are read when it is taken, so that memory
    /// holds one tensor at a time.
    ///
    /// # Errors
    ///
    /// Those of [`read_file`](super::read_file) and [`Self::from_bytes`], with the path.
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
            Ok(Self { texts: header::texts(&header), tensors })
        };
        read().map_err(|error: Error| error.in_file(path))
    }

    /// Tensors of another format: name, type, shape, and the little-endian bytes of the values in
    /// row-major order. The last one of a name replaces earlier ones.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] if the number of bytes does not match type and shape.
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
        Ok(Self { texts: BTreeMap::new(), tensors: all })
    }

    /// A text of `__metadata__` in the header.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.texts.get(key).map(String::as_str)
    }

    /// Names of the remaining tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Shape of a remaining tensor.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|stored| stored.shape.as_slice())
    }

    /// Whether any remaining tensor is quantised (type I8).
    pub fn is_quantised(&self) -> bool {
        self.tensors.values().any(|stored| stored.dtype == Dtype::I8)
    }

    /// All remaining tensors.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the file can no longer be read.
    pub fn stored(&self) -> impl Iterator<Item = Result<StoredTensor<'_>>> {
        self.tensors.iter().map(|(name, stored)| {
            let bytes = stored.bytes()?;
            Ok(StoredTensor { name, dtype: stored.dtype, shape: &stored.shape, bytes })
        })
    }

    /// SHA-256, in hexadecimal, over the remaining tensors in the order of their names: name, a 0
    /// byte, the stored bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the file can no longer be read.
    pub fn sha256(&self) -> Result<String> {
        tensors_sha256(self.tensors.iter().map(|(name, stored)| (name.as_str(), stored.bytes())))
    }

    /// Compares [`Self::sha256`] with the checksum in the manifest.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`] if they differ, because the file was damaged. [`Error::Read`] if the
    /// file can no longer be read.
    pub fn check_sha256(&self, expected: &str) -> Result<()> {
        let actual = self.sha256()?;
        if actual.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        Err(malformed(format!(
            "the checksum of its tensors is {actual}, its manifest states {expected}: the file was damaged or changed. Copy it again"
        )))
    }

    /// Takes a tensor, as f32. A quantised one is dequantised, and its companion `.largest` is
    /// taken, too.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] names the tensor (or its companion) if it is missing or was taken before,
    /// has another shape, a type other than F16, BF16, F32 and I8, or a non-finite value;
    /// [`Error::Read`] if the file can no longer be read.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let stored = self.remove(name, shape)?;
        let values = if stored.dtype == Dtype::I8 { self.dequantised(name, &stored)? } else { stored.to_f32()? };
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

    /// Takes a tensor without conversion if its type is F16; otherwise leaves it.
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
        // the infinities and NaN have the largest bit patterns
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

    /// Dequantises a tensor by its companion, which is taken.
    fn dequantised(&mut self, name: &str, stored: &Stored<'_>) -> Result<Option<Vec<f32>>> {
        let (bytes, outputs) = (stored.bytes()?, stored.shape.first().copied().unwrap_or(0));
        let companion = format!("{name}{LARGEST}");
        let largest = self.take(&companion, &[outputs])?;
        if let Some(negative) = largest.values().iter().find(|x| **x < 0.0) {
            return Err(wrong(&companion, "magnitudes of at least 0".into(), negative.to_string()));
        }
        if bytes.contains(&i8::MIN.cast_unsigned()) {
            return Err(wrong(name, "values from -127 to 127".into(), "-128".to_owned()));
        }
        Ok(Some(dequantise(&bytes, largest.values())))
    }

    /// Checks that every tensor has been taken. Call it after the last one.
    ///
    /// # Errors
    ///
    /// [`Error::Tensor`] names the first remaining tensor: the file belongs to another network than
    /// its manifest states.
    pub fn finish(self) -> Result<()> {
        let others = self.tensors.len().saturating_sub(1);
        match self.tensors.into_iter().next() {
            None => Ok(()),
            Some((name, stored)) => Err(Error::Tensor {
                name,
                expected: "no such tensor in the network of the manifest".into(),
                actual: format!("shape {:?}, and {others} more left over", stored.shape),
            }),
        }
    }
}

fn wrong(name: &str, expected: String, actual: String) -> Error {
    Error::Tensor { name: name.to_owned(), expected, actual }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_HEADER_BYTES;
    use super::super::checksum::hex;
    use super::super::test_files::{f32_bytes, file, file_of};
    use super::*;
    use half::bf16;
    use sha2::{Digest, Sha256};
    use std::fs::File;

    fn raw(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn reads_the_three_float_types() {
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

    fn i8_bytes(values: &[i8]) -> Vec<u8> {
        values.iter().map(|value| value.cast_unsigned()).collect()
    }

    #[test]
    fn quantised_weights_are_fractions_of_the_largest() {
        let bytes = file_of(&[
            ("w", Dtype::I8, &[2, 2, 1], i8_bytes(&[127, -127, 0, 1])),
            ("w.largest", Dtype::F32, &[2], f32_bytes(&[0.3, 12.7])),
            ("none", Dtype::I8, &[0, 3], vec![]),
            ("none.largest", Dtype::F32, &[0], vec![]),
        ]);
        let mut weights = Weights::from_bytes(&bytes).unwrap();
        assert!(weights.is_quantised());
        assert_eq!(weights.take("w", &[2, 2, 1]).unwrap().values(), [0.3, -0.3, 0.0, 12.7 / 127.0]);
        assert_eq!(weights.take("none", &[0, 3]).unwrap().values(), [0.0; 0]);
        assert!(!weights.is_quantised());
        weights.finish().unwrap();
    }

    #[test]
    fn each_invalid_companion_or_value_is_named() {
        let of = |name: &str, dtype, values: Vec<u8>, least: i8| {
            let bytes = file_of(&[("w", Dtype::I8, &[2, 1], i8_bytes(&[least, 3])), (name, dtype, &[2], values)]);
            Weights::from_bytes(&bytes).unwrap().take("w", &[2, 1]).unwrap_err().to_string()
        };
        let valid = || f32_bytes(&[1.0, 2.0]);
        for (message, words) in [
            (of("other", Dtype::F32, valid(), 1), "`w.largest`: expected shape [2], found no such tensor"),
            (of("w.largest", Dtype::F64, vec![0; 16], 1), "`w.largest`: expected type F16, BF16, F32 or I8, found F64"),
            (of("w.largest", Dtype::F32, f32_bytes(&[1.0, f32::NAN]), 1), "`w.largest`: expected finite values"),
            (of("w.largest", Dtype::F32, f32_bytes(&[1.0, -2.0]), 1), "`w.largest`: expected magnitudes"),
            (of("w.largest", Dtype::I8, vec![1; 2], 1), "`w.largest.largest`"),
            (of("w.largest", Dtype::F32, valid(), -128), "`w`: expected values from -127 to 127"),
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
        let bytes = file_of(&[("w.largest", Dtype::F32, &[2], valid())]);
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
    fn checksum_is_its_definition_and_the_error_says_what_to_do() {
        let bytes = file(&[("b", &[1], &[2.0]), ("a", &[1], &[1.0])]);
        let weights = Weights::from_bytes(&bytes).unwrap();
        let want = Sha256::digest([&b"a\0"[..], &1.0_f32.to_le_bytes(), b"b\0", &2.0_f32.to_le_bytes()].concat());
        weights.check_sha256(&hex(&want)).unwrap();
        let message = weights.check_sha256("00").unwrap_err().to_string();
        assert!(message.contains("Copy it again"), "{message}");
    }

    #[test]
    fn a_truncated_file_is_malformed() {
        let bytes = file(&[("a", &[2, 3], &[1.0; 6]), ("b", &[1], &[1.0])]);
        for length in 0..bytes.len() {
            let error = Weights::from_bytes(&bytes[..length]).unwrap_err();
            assert!(matches!(error, Error::Malformed { .. }), "{length}: {error}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(matches!(Weights::from_bytes(&longer), Err(Error::Malformed { .. })));
    }

    #[test]
    fn false_claims_of_the_header_are_refused() {
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
        // tensors that reach the end of the address space: the offsets are consistent, but the file
        // is shorter
        let eighth = far / 8;
        let tensor = |k: usize| {
            let (start, end) = (k * eighth, (k + 1) * eighth);
            format!("\"t{k}\":{{\"dtype\":\"U8\",\"shape\":[{eighth}],\"data_offsets\":[{start},{end}]}}")
        };
        let header = format!("{{{}}}", (0..8).map(tensor).collect::<Vec<_>>().join(","));
        assert!(matches!(Weights::from_bytes(&raw(&header, &[])), Err(Error::Malformed { .. })));
    }

    #[test]
    fn a_header_above_the_limit_is_refused_before_it_is_parsed() {
        let mut bytes = file(&[("a", &[1], &[1.0])]);
        bytes[..8].copy_from_slice(&(1_u64 << 60).to_le_bytes());
        assert!(matches!(Weights::from_bytes(&bytes), Err(Error::Malformed { .. })));
        bytes.resize(MAX_HEADER_BYTES as usize + 100, b' ');
        bytes[..8].copy_from_slice(&(MAX_HEADER_BYTES + 1).to_le_bytes());
        assert!(matches!(Weights::from_bytes(&bytes), Err(Error::Limit { .. })));
    }

    #[test]
    fn an_opened_file_has_the_same_tensors_as_its_bytes() {
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
        // truncated while it is open
        File::options().write(true).open(&path).unwrap().set_len(20).unwrap();
        assert!(opened.take("c", &[0, 3]).is_ok() && opened.finish().is_ok());
        let error = Weights::open(&path).unwrap_err();
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_shrinks_while_it_is_read_is_an_error() {
        let path = std::env::temp_dir().join(format!("persona-engine-{}-shrinks", std::process::id()));
        std::fs::write(&path, file(&[("a", &[2], &[1.0, 2.0])])).unwrap();
        let mut weights = Weights::open(&path).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(70).unwrap();
        assert!(matches!(weights.sha256().unwrap_err(), Error::Read(_)));
        assert!(matches!(weights.take("a", &[2]).unwrap_err(), Error::Read(_)));
        std::fs::remove_file(&path).unwrap();
    }
}
