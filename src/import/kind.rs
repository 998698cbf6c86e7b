//! Kinds of network that can be imported, and the choice of the reader.

use std::path::PathBuf;
use std::str::FromStr;

use super::network::ImportedNetwork;
use super::{campplus, nnet3, speechbrain, wavlm, whisper};
use crate::error::{Error, Result};

/// A kind of network, which decides how its files are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `campplus`: a checkpoint of 3D-Speaker's CAM++.
    CamPlusPlus,
    /// `speechbrain-xvector`: `embedding_model.ckpt` of SpeechBrain's x-vector network.
    SpeechBrainXVector,
    /// `kaldi-xvector`: `final.raw` of Kaldi's nnet3 recipes, and optionally their `mfcc.conf` and
    /// `vad.conf`.
    KaldiXVector,
    /// `pyannote-segmentation`: the checkpoint of pyannote's speaker segmentation, and optionally
    /// that of CAM++. The result works beside a model; see
    /// [`write_segmentation`](super::write_segmentation).
    PyannoteSegmentation,
    /// `wavlm`: WavLM's files by Hugging Face's transformers, or a checkpoint of its original
    /// release.
    WavLm,
    /// `whisper`: Whisper's encoder, from the files of Hugging Face's transformers, of OpenAI's
    /// release, or of CTranslate2.
    Whisper,
}

impl Kind {
    /// All kinds.
    pub const ALL: &[Self] = &[
        Self::CamPlusPlus,
        Self::SpeechBrainXVector,
        Self::KaldiXVector,
        Self::PyannoteSegmentation,
        Self::WavLm,
        Self::Whisper,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::CamPlusPlus => "campplus",
            Self::SpeechBrainXVector => "speechbrain-xvector",
            Self::KaldiXVector => "kaldi-xvector",
            Self::PyannoteSegmentation => "pyannote-segmentation",
            Self::WavLm => "wavlm",
            Self::Whisper => "whisper",
        }
    }

    /// Reads the files of a network.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for a number of files that the kind does not have; otherwise the reader's
    /// error, with the file's name.
    pub fn read(self, files: &[PathBuf]) -> Result<ImportedNetwork> {
        match (self, files) {
            (Self::CamPlusPlus, [file]) => campplus::read(file),
            (Self::SpeechBrainXVector, [file]) => speechbrain::read(file),
            (Self::KaldiXVector, [file, confs @ ..]) if confs.len() <= 2 => nnet3::read(file, confs),
            (Self::KaldiXVector, _) => {
                Err(self.wrong_number(files.len(), "final.raw and optionally an mfcc.conf and a vad.conf"))
            }
            (Self::PyannoteSegmentation, _) => {
                Err(Error::Unsupported("a segmentation of speakers has no embedding; it works beside a model".into()))
            }
            (Self::WavLm, files) => wavlm::read(files),
            (Self::Whisper, files) => whisper::read(files),
            _ => Err(self.wrong_number(files.len(), "one file")),
        }
    }

    fn wrong_number(self, given: usize, expected: &str) -> Error {
        Error::usage(format!("{}: {expected} expected, {given} given", self.name()))
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
        let unknown = || Error::usage(format!("unknown kind of network `{name}`; available: {}", known.join(", ")));
        Self::ALL.iter().copied().find(|kind| kind.name() == name).ok_or_else(unknown)
    }
}
