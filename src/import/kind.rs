//! The kinds of network that can be imported.

use std::path::PathBuf;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::{campplus, nnet3, speechbrain, wavlm};
use crate::error::{Error, Result};
use crate::nn::Tensor;

/// A kind of network, and of the files that hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `campplus`: a checkpoint of 3D-Speaker's CAM++.
    CamPlusPlus,
    /// `speechbrain-xvector`: `embedding_model.ckpt` of SpeechBrain's x-vector network.
    SpeechBrainXVector,
    /// `kaldi-xvector`: `final.raw` of Kaldi's nnet3 recipes and, beside it, their `mfcc.conf` and `vad.conf`.
    KaldiXVector,
    /// `wavlm`: WavLM's files by Hugging Face's transformers, or a checkpoint of its own release.
    WavLm,
}

/// What a kind's files are read into: everything that a model file of a representation holds.
#[derive(Debug)]
pub struct Import {
    /// Name of the network.
    pub name: String,
    /// Licence of the weights, as far as it is known.
    pub licence: String,
    /// Where it comes from, for people.
    pub data: Map<String, Value>,
    /// The manifest's `frontend`.
    pub frontend: Value,
    /// The manifest's `representation`.
    pub representation: Value,
    /// Tensors under this engine's names.
    pub tensors: Vec<(String, Tensor)>,
}

impl Import {
    /// Leaves the front-end's energy VAD out: the network then sees all frames.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] where there is none.
    pub fn without_vad(mut self) -> Result<Self> {
        match self.frontend.as_object_mut().and_then(|frontend| frontend.remove("vad")) {
            Some(_) => Ok(self),
            None => Err(Error::Config("no energy VAD to be left out: only Kaldi's networks come with one".into())),
        }
    }
}

impl Kind {
    /// All kinds.
    pub const ALL: &[Self] = &[Self::CamPlusPlus, Self::SpeechBrainXVector, Self::KaldiXVector, Self::WavLm];

    /// What it is called on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::CamPlusPlus => "campplus",
            Self::SpeechBrainXVector => "speechbrain-xvector",
            Self::KaldiXVector => "kaldi-xvector",
            Self::WavLm => "wavlm",
        }
    }

    /// Reads the network's files.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for another number of files than the kind has; what is wrong with a file, naming it.
    pub fn read(self, files: &[PathBuf]) -> Result<Import> {
        match (self, files) {
            (Self::CamPlusPlus, [file]) => campplus::read(file),
            (Self::SpeechBrainXVector, [file]) => speechbrain::read(file),
            (Self::KaldiXVector, [file, confs @ ..]) if confs.len() <= 2 => nnet3::read(file, confs),
            (Self::KaldiXVector, _) => {
                Err(self.wrong_number(files.len(), "final.raw and at most an mfcc.conf and a vad.conf"))
            }
            (Self::WavLm, files) => wavlm::read(files),
            _ => Err(self.wrong_number(files.len(), "one file")),
        }
    }

    fn wrong_number(self, given: usize, expected: &str) -> Error {
        Error::Config(format!("{}: {expected} expected, {given} given", self.name()))
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known: Vec<&str> = Self::ALL.iter().map(|kind| kind.name()).collect();
        let unknown = || Error::Config(format!("`{name}` is no kind of network; known are {}", known.join(", ")));
        Self::ALL.iter().copied().find(|kind| kind.name() == name).ok_or_else(unknown)
    }
}
