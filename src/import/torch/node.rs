//! Values of a checkpoint's pickle. They refer to each other by number, so that deep nesting needs
//! no recursion.

use super::globals::Global;
use super::tensor::{Storage, TensorView};

/// Index of a node.
pub(super) type Id = u32;

/// One value.
#[derive(Clone, Debug)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Bytes; their content is not kept, because no network's description needs it.
    Bytes,
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage),
    Tensor(TensorView),
    /// An object that describes the network; its content is not kept.
    Skipped,
}

/// All values of a pickle.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) all: Vec<Node>,
    pub(super) root: Id,
}

/// A value of a checkpoint.
#[derive(Clone, Copy, Debug)]
pub struct Item<'c> {
    nodes: &'c Nodes,
    id: Id,
}

impl Nodes {
    pub(super) fn root(&self) -> Item<'_> {
        Item { nodes: self, id: self.root }
    }
}

impl<'c> Item<'c> {
    pub(super) fn node(self) -> &'c Node {
        self.nodes.all.get(self.id as usize).unwrap_or(&Node::None)
    }

    /// Keys and values of a dictionary; empty for other values.
    pub fn pairs(self) -> impl Iterator<Item = (Item<'c>, Item<'c>)> {
        let pairs: &[(Id, Id)] = if let Node::Dict(pairs) = self.node() { pairs } else { &[] };
        let item = move |id: Id| Item { nodes: self.nodes, id };
        pairs.iter().map(move |(key, value)| (item(*key), item(*value)))
    }

    /// Values of a list or tuple; empty for other values.
    pub fn items(self) -> impl Iterator<Item = Item<'c>> {
        let ids: &[Id] = if let Node::List(ids) | Node::Tuple(ids) = self.node() { ids } else { &[] };
        ids.iter().map(move |id| Item { nodes: self.nodes, id: *id })
    }

    /// Value of a dictionary's key: the last one, if there are several.
    pub fn get(self, name: &str) -> Option<Item<'c>> {
        self.pairs().filter(|(key, _)| key.text() == Some(name)).last().map(|(_, value)| value)
    }

    /// The string, if the value is one.
    pub fn text(self) -> Option<&'c str> {
        if let Node::Text(text) = self.node() { Some(text) } else { None }
    }

    /// The integer, if the value is one.
    pub fn int(self) -> Option<i64> {
        if let Node::Int(value) = self.node() { Some(*value) } else { None }
    }

    /// The number, if the value is one, integer or not.
    pub fn number(self) -> Option<f64> {
        match self.node() {
            Node::Float(value) => Some(*value),
            Node::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// The boolean, if the value is one.
    pub fn bool(self) -> Option<bool> {
        if let Node::Bool(value) = self.node() { Some(*value) } else { None }
    }

    /// Whether the value is Python's `None`.
    pub fn is_none(self) -> bool {
        matches!(self.node(), Node::None)
    }

    pub(super) fn tensor(self) -> Option<&'c TensorView> {
        if let Node::Tensor(tensor) = self.node() { Some(tensor) } else { None }
    }
}
