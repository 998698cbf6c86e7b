//! The nnet3 file: nodes, then components.

use std::collections::BTreeMap;

use super::component::Component;
use super::errors::{brief, malformed};
use super::reader::Reader;
use crate::error::{Error, Result};

/// Maximum number of components; the recipes have 27.
const MAX_COMPONENTS: i64 = 10_000;

/// Component and input of a node; `None` for an input node.
pub(super) type NodeParts = Option<(String, String)>;

/// Contents of an nnet3 file.
#[derive(Debug)]
pub(super) struct Nnet {
    pub(super) nodes: BTreeMap<String, NodeParts>,
    pub(super) components: BTreeMap<String, Component>,
}

impl Nnet {
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        match reader.token().unwrap_or("something other than text") {
            "<Nnet3>" => {}
            "<TransitionModel>" => {
                let what = "an acoustic model; extract its network by `nnet3-am-copy --raw=true`";
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

/// Parses a line of the network's description: the node that it defines, if any.
fn node(line: &str) -> Result<Option<(String, NodeParts)>> {
    let kind = line.split_ascii_whitespace().next().unwrap_or_default();
    let name = || key(line, "name").ok_or_else(|| malformed(format!("`{}` has no name", brief(line))));
    match kind {
        "input-node" => Ok(Some((name()?.to_owned(), None))),
        "component-node" => {
            let missing = || malformed(format!("`{}` has no component or no input", brief(line)));
            let (component, input) = key(line, "component").zip(key(line, "input")).ok_or_else(missing)?;
            Ok(Some((name()?.to_owned(), Some((component.to_owned(), input.to_owned())))))
        }
        "output-node" | "dim-range-node" => Ok(None),
        other => Err(malformed(format!("unknown line `{} …`", brief(other)))),
    }
}

/// The value of `key=` in a line: up to the next `key=`, because it may contain spaces.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_line_are_found() {
        let line = "component-node name=tdnn1 component=c.1 input=Append(Offset(a, -1), a)";
        assert_eq!((key(line, "name"), key(line, "component")), (Some("tdnn1"), Some("c.1")));
        assert_eq!(key(line, "input"), Some("Append(Offset(a, -1), a)"));
        assert_eq!((key(line, "dim"), key("", "name"), key("name=", "name")), (None, None, Some("")));
    }

    #[test]
    fn other_files_are_named() {
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
