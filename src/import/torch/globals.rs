//! The Python functions and classes that a checkpoint may refer to: a list of names. Nothing is
//! looked up, imported or executed.

use safetensors::Dtype;

use crate::error::{Error, Result};

/// One of Python's functions or classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`.
    RebuildParameter,
    /// `torch.FloatStorage` and so on: a storage of a type.
    Storage(Dtype),
    /// A class whose objects describe the network beside its tensors, as PyTorch Lightning and
    /// pyannote.audio store them. Its objects are skipped: none is created.
    Description,
}

impl Global {
    /// The global of this name.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] with the name of any other.
    pub(super) fn named(module: &str, name: &str) -> Result<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Ok(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Ok(Self::RebuildParameter),
            ("torch.torch_version", "TorchVersion")
            | ("pyannote.audio.core.task", "Specifications" | "Problem" | "Resolution") => Ok(Self::Description),
            ("torch", storage) => storage_type(storage).map(Self::Storage).ok_or_else(|| refused(module, name)),
            _ => Err(refused(module, name)),
        }
    }
}

fn storage_type(name: &str) -> Option<Dtype> {
    Some(match name {
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::BF16,
        "DoubleStorage" => Dtype::F64,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::BOOL,
        _ => return None,
    })
}

fn refused(module: &str, name: &str) -> Error {
    Error::Unsupported(format!(
        "the checkpoint calls Python's `{}`, which tensors do not need; nothing was executed; save the network's state_dict() alone",
        format_args!("{module}.{name}").to_string().escape_debug()
    ))
}
