//! A tensor as it is stored in a model file, and its conversion to f32.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::Dtype;

use crate::error::Result;

/// Type, shape and bytes.
#[derive(Debug)]
pub(super) struct Stored<'a> {
    pub(super) dtype: Dtype,
    pub(super) shape: Vec<usize>,
    pub(super) place: Place<'a>,
}

/// Location of the bytes of a tensor.
#[derive(Debug)]
pub(super) enum Place<'a> {
    /// In memory.
    Memory(Cow<'a, [u8]>),
    /// In a file that was long enough when it was opened.
    File { file: Arc<File>, start: u64, length: usize },
}

impl Stored<'_> {
    /// The values, or `None` for a type other than F32, F16 and BF16. The checks of the header
    /// ensure that the number of bytes matches the shape.
    ///
    /// # Errors
    ///
    /// As [`Self::bytes`].
    pub(super) fn to_f32(&self) -> Result<Option<Vec<f32>>> {
        let bytes = self.bytes()?;
        Ok(match self.dtype {
            Dtype::F32 => Some(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
            Dtype::F16 => Some(widened(&bytes, |block| f16::from_le_bytes(*block))),
            Dtype::BF16 => Some(widened(&bytes, |block| bf16::from_le_bytes(*block))),
            _ => None,
        })
    }

    /// The stored bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Read`](crate::Error::Read) if the file can no longer be read, or was truncated.
    pub(super) fn bytes(&self) -> Result<Cow<'_, [u8]>> {
        match &self.place {
            Place::Memory(bytes) => Ok(Cow::Borrowed(bytes)),
            Place::File { file, start, length } => {
                let mut bytes = vec![0; *length];
                let mut file: &File = file;
                file.seek(SeekFrom::Start(*start))?;
                file.read_exact(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }
}

/// Converts 16-bit floats to f32 block by block, so that only the result is written to memory.
fn widened<H: Copy + Default>(bytes: &[u8], read: impl Fn(&[u8; 2]) -> H) -> Vec<f32>
where
    [H]: HalfFloatSliceExt,
{
    const BLOCK: usize = 1024;
    let stored = bytes.as_chunks::<2>().0;
    let mut values = vec![0.0; stored.len()];
    for (from, to) in stored.chunks(BLOCK).zip(values.chunks_mut(BLOCK)) {
        let mut block = [H::default(); BLOCK];
        block.iter_mut().zip(from).for_each(|(half, bytes)| *half = read(bytes));
        block[..to.len()].convert_to_f32_slice(to);
    }
    values
}
