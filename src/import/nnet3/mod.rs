//! `kaldi-xvector`: x-vector networks of Kaldi's nnet3 (`final.raw`, binary or text), as the SRE16 and VoxCeleb recipes train them.
//!
//! ```text
//! <Nnet3>
//! input-node name=input dim=30
//! component-node name=tdnn1.affine component=tdnn1.affine input=Append(Offset(input, -2), …)
//! …
//!                                                                a blank line
//! <NumComponents> n  <ComponentName> tdnn1.affine <NaturalGradientAffineComponent> … </NaturalGradientAffineComponent> … </Nnet3>
//! ```
//!
//! The embedding is the affine map behind the statistics pooling, `tdnn6.affine` in the recipes; what lies behind it is read and left. From there
//! the network is followed back to its input: affine, ReLU, batch norm, again and again. Batch norm is in test mode, as
//! `nnet3-xvector-compute` sets it.
//!
//! A final.raw says nothing of its features: the recipe's `mfcc.conf` does, and its `vad.conf` which of their frames the network sees.
//!
//! Source: Kaldi's `nnet3/nnet-nnet`, `nnet-simple-component`, `nnet-normalize-component`, `nnet-general-component`.

mod component;
mod conf;
mod descriptor;
mod network;
mod reader;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use component::Component;
use reader::Reader;
use serde_json::Value;

use super::kind::Import;
use super::shown;
use super::source::Origin;
use crate::error::{Error, Result};
use crate::nn::weights::read_file;

/// The most components: the recipes have 27.
const MAX_COMPONENTS: i64 = 10_000;

/// Reads a network and, if they are there, its `mfcc.conf` and `vad.conf`, in any order.
pub(super) fn read(path: &Path, confs: &[PathBuf]) -> Result<Import> {
    let bytes = read_file(path)?;
    let (bands, representation, tensors) =
        Nnet::read(&bytes).and_then(|nnet| network::convert(&nnet)).map_err(|error| error.in_file(path))?;
    let frontend = frontend(path, confs, bands)?;
    let (name, licence, data) = Origin::of(path, &bytes).describe(None);
    Ok(Import { name, licence, data, frontend, representation, tensors })
}

/// The recipe's features and VAD, or what the files beside the network say of them.
fn frontend(path: &Path, confs: &[PathBuf], bands: usize) -> Result<Value> {
    let (mut features, mut vad) = (None, None);
    for file in confs {
        let text = String::from_utf8_lossy(&read_file(file)?).into_owned();
        let (place, read) = if conf::is_of_vad(&text) {
            (&mut vad, conf::vad(&text))
        } else {
            (&mut features, conf::frontend(&text, bands))
        };
        if place.replace(read.map_err(|error| error.in_file(file))?).is_some() {
            return Err(Error::Config(format!("`{}` is a second file of its kind", shown(file))));
        }
    }
    let mut features = match features {
        Some(features) => features,
        None => conf::of_recipe(bands).map_err(|error| error.in_file(path))?,
    };
    features["vad"] = vad.unwrap_or_else(conf::vad_of_recipe);
    Ok(features)
}

/// The component and the input of a node; an input node has none.
type Way = Option<(String, String)>;

/// A file taken apart.
#[derive(Debug)]
struct Nnet {
    nodes: BTreeMap<String, Way>,
    components: BTreeMap<String, Component>,
}

impl Nnet {
    fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        match reader.token().unwrap_or("something that is no text") {
            "<Nnet3>" => {}
            "<TransitionModel>" => {
                let what = "an acoustic model; `nnet3-am-copy --raw=true` takes the network out of it";
                return Err(Error::Unsupported(what.into()));
            }
            other => return Err(malformed(format!("it begins with `{}`, not `<Nnet3>`", brief(other)))),
        }
        reader.end_line();
        let mut nodes = BTreeMap::new();
        loop {
            let line = reader.line()?.trim();
            if line.is_empty() {
                break;
            }
            nodes.extend(node(line)?);
        }
        reader.expect("<NumComponents>")?;
        let count = reader.int()?;
        if !(0..=MAX_COMPONENTS).contains(&count) {
            return Err(malformed(format!("{count} components")));
        }
        let mut components = BTreeMap::new();
        for _ in 0..count {
            reader.expect("<ComponentName>")?;
            let name = reader.token()?;
            components.insert(name.to_owned(), Component::read(&mut reader, name)?);
        }
        reader.expect("</Nnet3>")?;
        Ok(Self { nodes, components })
    }
}

/// A line of the network's description: the node that it makes, if any.
fn node(line: &str) -> Result<Option<(String, Way)>> {
    let kind = line.split_ascii_whitespace().next().unwrap_or_default();
    let name = || key(line, "name").ok_or_else(|| malformed(format!("no name in `{}`", brief(line))));
    match kind {
        "input-node" => Ok(Some((name()?.to_owned(), None))),
        "component-node" => {
            let missing = || malformed(format!("no component or input in `{}`", brief(line)));
            let (component, input) = key(line, "component").zip(key(line, "input")).ok_or_else(missing)?;
            Ok(Some((name()?.to_owned(), Some((component.to_owned(), input.to_owned())))))
        }
        "output-node" | "dim-range-node" => Ok(None),
        other => Err(malformed(format!("a line that begins with `{}`", brief(other)))),
    }
}

/// The value of `key=` in a line: up to the next `key=`, for it may hold spaces.
fn key<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    let mut rest = line;
    while let Some(at) = rest.find('=') {
        let (before, after) = (&rest[..at], &rest[at + 1..]);
        let found = before.rsplit(char::is_whitespace).next() == Some(key);
        let end = after.find('=').map_or(after.len(), |next| after[..next].rfind(char::is_whitespace).unwrap_or(0));
        if found {
            return Some(after[..end].trim());
        }
        rest = &after[end..];
    }
    None
}

/// A word of a hostile file, short and without control characters.
fn brief(text: &str) -> String {
    text.chars().take(60).flat_map(char::escape_debug).collect()
}

fn malformed(what: impl Into<String>) -> Error {
    Error::malformed("Kaldi nnet3", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_line() {
        let line = "component-node name=tdnn1 component=c.1 input=Append(Offset(a, -1), a)";
        assert_eq!((key(line, "name"), key(line, "component")), (Some("tdnn1"), Some("c.1")));
        assert_eq!(key(line, "input"), Some("Append(Offset(a, -1), a)"));
        assert_eq!((key(line, "dim"), key("", "name"), key("name=", "name")), (None, None, Some("")));
    }

    #[test]
    fn other_files_say_what_they_are() {
        let message = |bytes: &[u8]| Nnet::read(bytes).unwrap_err().to_string();
        assert!(message(b"\0B<TransitionModel> ").contains("nnet3-am-copy"));
        assert!(message(b"PK\x03\x04").contains("not `<Nnet3>`") && message(b"").contains("not `<Nnet3>`"));
        assert!(
            message(b"<Nnet3> \n\n<NumComponents> 1 <ComponentName> lstm1 <LstmNonlinearityComponent> ")
                .contains("`lstm1` is a `LstmNonlinearityComponent`")
        );
        assert!(
            message(b"<Nnet3> \n\n<NumComponents> 1 <ComponentName> r <RectifiedLinearComponent> <Frobs> 1 ")
                .contains("`<Frobs>`")
        );
    }
}
