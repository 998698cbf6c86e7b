//! Components of an nnet3 file: a type, and a value for each tag.

use std::collections::BTreeMap;

use super::errors::{brief, malformed};
use super::reader::Reader;
use crate::error::{Error, Result};
use crate::nn::Tensor;

/// Component types of Kaldi's x-vector recipes (SRE16, VoxCeleb). A tag has one meaning in all of
/// them.
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
                "component `{name}` is a `{kind}`, which Kaldi's x-vector recipes do not use; supported: {}",
                KNOWN.join(", ")
            )));
        }
        // Early versions of NaturalGradientAffineComponent end with the tag that they begin with.
        let (ends, mut values) = ([format!("</{kind}>"), format!("<{kind}>")], BTreeMap::new());
        loop {
            let tag = reader.token()?;
            if ends.iter().any(|end| end == tag) {
                return Ok(Self { kind: kind.to_owned(), values });
            }
            values.insert(tag.to_owned(), value(reader, tag, name)?);
        }
    }

    /// An integer, or `default` if the file lacks it.
    pub(super) fn int(&self, tag: &str, default: i64) -> i64 {
        if let Some(Value::Int(n)) = self.values.get(tag) { *n } else { default }
    }

    /// A number, or `default` if the file lacks it.
    pub(super) fn float(&self, tag: &str, default: f64) -> f64 {
        if let Some(Value::Float(x)) = self.values.get(tag) { *x } else { default }
    }

    /// A boolean, or `default` if the file lacks it.
    pub(super) fn bool(&self, tag: &str, default: bool) -> bool {
        if let Some(Value::Bool(b)) = self.values.get(tag) { *b } else { default }
    }

    /// A tensor with a number of axes: 1 for a vector, 2 for a matrix.
    pub(super) fn tensor(&self, tag: &str, name: &str, axes: usize) -> Result<&Tensor> {
        let wrong =
            |actual: String| Error::Tensor { name: format!("{name} {tag}"), expected: format!("{axes} axes"), actual };
        match self.values.get(tag) {
            Some(Value::Tensor(tensor)) if tensor.shape().len() == axes => Ok(tensor),
            Some(Value::Tensor(tensor)) => Err(wrong(format!("shape {:?}", tensor.shape()))),
            _ => Err(wrong("no such value in the file".into())),
        }
    }
}

/// Tags by the type of their value, which binary files do not state.
const INTS: &str = "Dim BlockDim InputDim OutputDim InputPeriod OutputPeriod LeftContext RightContext NumLogCountFeatures RankIn RankOut \
    RankInOut UpdatePeriod";
const FLOATS: &str = "LearningRateFactor MaxChange L2Regularize LearningRate OrthonormalConstraint NumSamplesHistory Alpha \
    MaxChangePerSample Count OderivCount SelfRepairScale SelfRepairLowerThreshold SelfRepairUpperThreshold NumDimsSelfRepaired \
    NumDimsProcessed Epsilon TargetRms VarianceFloor BackpropScale UpdateCount ActiveScalingCount MaxChangeScaleStats";
/// `IncludeVarinance` is Kaldi's own spelling.
const BOOLS: &str = "IsGradient TestMode IncludeVarinance OutputStddevs";
const MATRICES: &str = "LinearParams";
const VECTORS: &str = "BiasParams ValueAvg DerivAvg OderivRms StatsMean StatsVar";

fn value(reader: &mut Reader<'_>, tag: &str, name: &str) -> Result<Value> {
    let inner = tag.strip_prefix('<').and_then(|tag| tag.strip_suffix('>')).unwrap_or_default();
    let is = |tags: &str| tags.split_ascii_whitespace().any(|tag| tag == inner);
    if is(INTS) {
        reader.int().map(Value::Int)
    } else if is(FLOATS) {
        reader.float().map(Value::Float)
    } else if is(BOOLS) {
        reader.bool().map(Value::Bool)
    } else if is(MATRICES) {
        reader.matrix().map(Value::Tensor)
    } else if is(VECTORS) {
        reader.vector().map(Value::Tensor)
    } else {
        Err(malformed(format!("component `{name}` has an unknown tag `{}`", brief(tag))))
    }
}
