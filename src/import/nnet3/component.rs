//! The components of an nnet3 file: a type, and a value under each of its tags.

use std::collections::BTreeMap;

use super::malformed;
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::nn::Tensor;

/// The types of Kaldi's x-vector recipes (SRE16, VoxCeleb). They differ in their tags; no tag means two things.
const KNOWN: &[&str] = &[
    "NaturalGradientAffineComponent",
    "AffineComponent",
    "FixedAffineComponent",
    "RectifiedLinearComponent",
    "BatchNormComponent",
    "StatisticsExtractionComponent",
    "StatisticsPoolingComponent",
    "LogSoftmaxComponent",
    "NoOpComponent",
];

/// One component.
#[derive(Debug)]
pub(super) struct Component {
    /// Type, without `<` and `>`.
    pub(super) kind: String,
    values: BTreeMap<String, Value>,
}

#[derive(Debug)]
enum Value {
    Int(i64),
    Float(f64),
    Bool(bool),
    Tensor(Tensor),
}

impl Component {
    /// Reads a component after its name.
    pub(super) fn read(reader: &mut Reader<'_>, name: &str) -> Result<Self> {
        let tag = reader.token()?;
        let kind = tag.strip_prefix('<').and_then(|tag| tag.strip_suffix('>')).unwrap_or(tag);
        if !KNOWN.contains(&kind) {
            let kind = kind.escape_debug();
            return Err(Error::Unsupported(format!(
                "component `{name}` is a `{kind}`, which no x-vector recipe of Kaldi has; known are {}",
                KNOWN.join(", ")
            )));
        }
        let (end, mut values) = (format!("</{kind}>"), BTreeMap::new());
        loop {
            let tag = reader.token()?;
            if tag == end {
                return Ok(Self { kind: kind.to_owned(), values });
            }
            values.insert(tag.to_owned(), value(reader, tag, name)?);
        }
    }

    /// A whole number; `default` where the file lacks it.
    pub(super) fn int(&self, tag: &str, default: i64) -> i64 {
        if let Some(Value::Int(n)) = self.values.get(tag) { *n } else { default }
    }

    /// A number; `default` where the file lacks it.
    pub(super) fn float(&self, tag: &str, default: f64) -> f64 {
        if let Some(Value::Float(x)) = self.values.get(tag) { *x } else { default }
    }

    /// True or false; `default` where the file lacks it.
    pub(super) fn bool(&self, tag: &str, default: bool) -> bool {
        if let Some(Value::Bool(b)) = self.values.get(tag) { *b } else { default }
    }

    /// A vector or matrix of a shape.
    pub(super) fn tensor(&self, tag: &str, name: &str, axes: usize) -> Result<&Tensor> {
        let wrong =
            |actual: String| Error::Weights { name: format!("{name} {tag}"), expected: format!("{axes} axes"), actual };
        match self.values.get(tag) {
            Some(Value::Tensor(tensor)) if tensor.shape().len() == axes => Ok(tensor),
            Some(Value::Tensor(tensor)) => Err(wrong(format!("shape {:?}", tensor.shape()))),
            _ => Err(wrong("none in the file".into())),
        }
    }
}

/// The value of a tag. Binary files don't say what follows: the tag's name does.
fn value(reader: &mut Reader<'_>, tag: &str, name: &str) -> Result<Value> {
    Ok(match tag {
        "<Dim>"
        | "<BlockDim>"
        | "<InputDim>"
        | "<OutputDim>"
        | "<InputPeriod>"
        | "<OutputPeriod>"
        | "<LeftContext>"
        | "<RightContext>"
        | "<NumLogCountFeatures>"
        | "<RankIn>"
        | "<RankOut>"
        | "<RankInOut>"
        | "<UpdatePeriod>" => Value::Int(reader.int()?),
        "<LearningRateFactor>"
        | "<MaxChange>"
        | "<L2Regularize>"
        | "<LearningRate>"
        | "<OrthonormalConstraint>"
        | "<NumSamplesHistory>"
        | "<Alpha>"
        | "<MaxChangePerSample>"
        | "<Count>"
        | "<OderivCount>"
        | "<SelfRepairScale>"
        | "<SelfRepairLowerThreshold>"
        | "<SelfRepairUpperThreshold>"
        | "<NumDimsSelfRepaired>"
        | "<NumDimsProcessed>"
        | "<Epsilon>"
        | "<TargetRms>"
        | "<VarianceFloor>"
        | "<BackpropScale>" => Value::Float(reader.float()?),
        "<IsGradient>" | "<TestMode>" | "<IncludeVariance>" | "<OutputStddevs>" => Value::Bool(reader.bool()?),
        "<LinearParams>" => Value::Tensor(reader.matrix()?),
        "<BiasParams>" | "<ValueAvg>" | "<DerivAvg>" | "<OderivRms>" | "<StatsMean>" | "<StatsVar>" => {
            Value::Tensor(reader.vector()?)
        }
        other => {
            return Err(malformed(format!(
                "component `{name}` has a tag `{}`, which is not known",
                other.escape_debug()
            )));
        }
    })
}
