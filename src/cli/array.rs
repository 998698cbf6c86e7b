//! Matrices in files that other tools read: NumPy `.npy` and safetensors.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use persona_engine::import::write_atomically;
use persona_engine::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

/// A matrix `[rows, columns]` in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Array {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
}

/// Magic number of `.npy` files.
const NPY: &[u8] = b"\x93NUMPY";
/// Alignment of the first value, bytes.
const NPY_ALIGNMENT: usize = 64;

/// File formats of matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Npy,
    Safetensors,
}

impl Format {
    /// The format selected by a path's extension.
    pub(super) fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("npy") => Ok(Self::Npy),
            Some("safetensors") => Ok(Self::Safetensors),
            _ => Err(Error::usage(format!("{}: expected a name that ends in .npy or .safetensors", path.display()))),
        }
    }
}

impl Array {
    /// Encodes as `.npy` version 1.0: magic number, version, header length, header, values.
    fn to_npy(&self) -> Vec<u8> {
        let shape: Vec<String> = self.shape.iter().map(ToString::to_string).collect();
        let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}", shape.join(", "));
        let before = NPY.len() + 4;
        let whole = (before + header.len() + 1).next_multiple_of(NPY_ALIGNMENT);
        header.extend(std::iter::repeat_n(' ', whole - before - header.len() - 1));
        header.push('\n');
        let length = (header.len() as u16).to_le_bytes();
        [NPY, &[1, 0], &length, header.as_bytes(), &self.bytes()].concat()
    }

    fn bytes(&self) -> Vec<u8> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// Writes one matrix: as `.npy`, or under a name in a safetensors file.
    pub(super) fn write(&self, path: &Path, name: &str) -> Result<()> {
        match Format::of(path)? {
            Format::Npy => write_atomically(path, |out| Ok(out.write_all(&self.to_npy())?)),
            Format::Safetensors => write_safetensors(path, &BTreeMap::from([(name.to_owned(), self.clone())])),
        }
    }

    /// Reads a matrix of f32 or f64 from a `.npy` file, or the one of a name (or the only one) from
    /// a safetensors file.
    pub(super) fn read(path: &Path, name: &str) -> Result<Self> {
        let read = || {
            let bytes = fs::read(path)?;
            if bytes.starts_with(NPY) { Self::of_npy(&bytes) } else { Self::of_safetensors(&bytes, name) }
        };
        read().map_err(|error: Error| error.in_file(path))
    }

    fn of_npy(bytes: &[u8]) -> Result<Self> {
        let malformed = |what: &str| Error::malformed("npy", what);
        let cut = || malformed("truncated");
        let (width, at) = if bytes.get(6) == Some(&1) { (2, 8) } else { (4, 8) };
        let mut length = [0; 4];
        length[..width].copy_from_slice(bytes.get(at..at + width).ok_or_else(cut)?);
        let start = at + width;
        let end = start + u32::from_le_bytes(length) as usize;
        let header = std::str::from_utf8(bytes.get(start..end).ok_or_else(cut)?)
            .map_err(|_| malformed("the header is not UTF-8"))?;
        if !header.contains("'fortran_order': False") {
            return Err(Error::Unsupported("npy in column-major order; save it with numpy.ascontiguousarray".into()));
        }
        let sizes = header
            .split_once("'shape': (")
            .and_then(|(_, rest)| rest.split_once(')'))
            .ok_or_else(|| malformed("the header has no shape"))?
            .0;
        let sizes = sizes.split(',').map(str::trim).filter(|size| !size.is_empty());
        let shape: Vec<usize> = sizes
            .map(|size| size.parse().map_err(|_| malformed("the shape is not a list of integers")))
            .collect::<Result<_>>()?;
        let data = bytes.get(end..).unwrap_or_default();
        let values: Vec<f32> = if header.contains("'<f4'") {
            data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        } else if header.contains("'<f8'") {
            data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect()
        } else {
            return Err(Error::Unsupported("npy of a type other than float32 and float64".into()));
        };
        if shape.iter().try_fold(1_usize, |n, size| n.checked_mul(*size)) != Some(values.len()) {
            return Err(malformed(&format!("shape {shape:?} for {} values", values.len())));
        }
        Ok(Self { shape, values })
    }

    fn of_safetensors(bytes: &[u8], name: &str) -> Result<Self> {
        let malformed = |what: String| Error::malformed("safetensors", what);
        let file = SafeTensors::deserialize(bytes).map_err(|error| malformed(error.to_string()))?;
        let names = file.names();
        let name = if let [only] = names[..] { only } else { name };
        let tensor = file.tensor(name).map_err(|_| malformed(format!("no tensor `{name}`")))?;
        if tensor.dtype() != Dtype::F32 {
            return Err(Error::Unsupported(format!("tensor `{name}` of type {:?}; expected F32", tensor.dtype())));
        }
        let values = tensor.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Ok(Self { shape: tensor.shape().to_vec(), values })
    }
}

/// Writes matrices by name.
pub(super) fn write_safetensors(path: &Path, arrays: &BTreeMap<String, Array>) -> Result<()> {
    let failed = |error: safetensors::SafeTensorError| Error::Internal(format!("{}: {error}", path.display()));
    let owned: Vec<(&String, &Array, Vec<u8>)> =
        arrays.iter().map(|(name, array)| (name, array, array.bytes())).collect();
    let views = owned.iter().map(|(name, array, bytes)| {
        TensorView::new(Dtype::F32, array.shape.clone(), bytes).map(|view| (name.as_str(), view)).map_err(failed)
    });
    let file = serialize(views.collect::<Result<Vec<_>>>()?, None).map_err(failed)?;
    write_atomically(path, |out| Ok(out.write_all(&file)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn npy_round_trips() {
        let array = Array { shape: vec![2, 3], values: vec![0.0, 1.5, -2.0, 3.25, 4.0, 5.0] };
        let bytes = array.to_npy();
        assert!((bytes.len() - 4 * array.values.len()).is_multiple_of(NPY_ALIGNMENT));
        assert_eq!(Array::of_npy(&bytes).unwrap(), array);
        for length in 0..bytes.len() {
            assert!(Array::of_npy(&bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn other_types_and_orders_are_refused() {
        let npy = |header: &str, data: &[u8]| {
            Array::of_npy(&[NPY, &[1, 0], &(header.len() as u16).to_le_bytes(), header.as_bytes(), data].concat())
        };
        let wide = npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", &2.5_f64.to_le_bytes()).unwrap();
        assert_eq!((wide.shape, wide.values), (vec![1], vec![2.5]));
        for header in [
            "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<f4', 'fortran_order': True, 'shape': (1,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999, 2), }",
            "{}",
        ] {
            assert!(npy(header, &[0; 4]).is_err(), "{header}");
        }
    }
}
