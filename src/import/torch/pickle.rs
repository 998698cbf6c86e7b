//! Interpreter of Python's pickle for tensors: protocols 2 to 5 and a list of globals; nothing is
//! executed.
//!
//! A pickle is a program for a machine with a stack, marks and a memo. This machine creates
//! [`Node`]s. Where Python would call a function, only the [`Global`]s are accepted, which combine
//! values; anything else is refused by name. Each opcode creates at most one node and copies none
//! (except a storage's short name), so memory follows the pickle's length, and nothing is
//! recursive, so the depth of nesting is harmless.
//!
//! Source: the opcodes' descriptions in Python's `pickletools`.

use std::collections::HashMap;

use super::errors::malformed;
use super::globals::Global;
use super::node::{Id, Node, Nodes};
use super::tensor::{Storage, TensorView};
use crate::error::{Error, Result};

/// Maximum size of a pickle: 16 MiB, a hundred times that of a large network.
const MAX_BYTES: usize = 16 << 20;
/// Maximum number of values.
const MAX_NODES: usize = 1 << 20;
/// Maximum number of open marks: the depth of nesting.
const MAX_MARKS: usize = 1_000;
/// Maximum length of a storage's name; torch numbers them.
const MAX_KEY_BYTES: usize = 100;

/// Interprets a pickle to its end.
///
/// # Errors
///
/// [`Error::Unsupported`] with the name of a function that tensors do not need,
/// [`Error::Malformed`] with the byte, [`Error::Limit`] for implausible sizes.
pub(super) fn read(bytes: &[u8]) -> Result<Nodes> {
    if bytes.len() > MAX_BYTES {
        let (actual, limit) = (bytes.len() as u64, MAX_BYTES as u64);
        return Err(Error::Limit { what: "bytes of a checkpoint's pickle", actual, limit });
    }
    let mut machine =
        Machine { bytes, at: 0, nodes: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        let start = machine.at;
        let opcode = machine.byte()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            return Ok(Nodes { all: machine.nodes, root });
        }
        machine.step(opcode).map_err(|error| match error {
            Error::Malformed { format, what } => {
                Error::Malformed { format, what: format!("pickle, byte {start}: {what}") }
            }
            other => other,
        })?;
    }
}

struct Machine<'p> {
    bytes: &'p [u8],
    at: usize,
    nodes: Vec<Node>,
    stack: Vec<Id>,
    /// Height of the stack at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'p> Machine<'p> {
    fn step(&mut self, opcode: u8) -> Result<()> {
        match opcode {
            0x80 => self.protocol(),
            0x95 => self.take(8).map(drop), // FRAME: only a hint for buffering
            b'(' => self.mark(),
            b'0' => self.pop().map(drop),
            b'1' => self.pop_mark().map(drop),
            b'2' => self.top().map(|id| self.stack.push(id)),
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'J' | b'K' | b'M' | 0x8a => self.int(opcode),
            b'G' => self.array().and_then(|b| self.push(Node::Float(f64::from_be_bytes(b)))),
            b'X' | 0x8c | 0x8d | b'U' | b'T' => self.text(opcode),
            b'B' | b'C' | 0x8e => self.skip_bytes(opcode),
            b']' => self.push(Node::List(Vec::new())),
            b')' => self.push(Node::Tuple(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b'l' => self.pop_mark().and_then(|items| self.push(Node::List(items))),
            b't' => self.pop_mark().and_then(|items| self.push(Node::Tuple(items))),
            b'd' => self.pop_mark().and_then(|items| self.push(Node::Dict(pairs(&items)?))),
            0x85..=0x87 => self.short_tuple(usize::from(opcode - 0x84)),
            b'a' => self.pop().and_then(|item| self.append(vec![item])),
            b'e' => self.pop_mark().and_then(|items| self.append(items)),
            b's' => self.pop_many(2).and_then(|items| self.set_items(&items)),
            b'u' => self.pop_mark().and_then(|items| self.set_items(&items)),
            b'q' | b'r' | 0x94 => self.memoise(opcode),
            b'h' | b'j' => self.recall(opcode),
            b'c' => self.global_by_lines(),
            0x93 => self.global_by_stack(),
            b'R' | 0x81 => self.call(),
            b'b' => self.build(),
            b'Q' => self.storage(),
            _ => Err(malformed(format!("opcode 0x{opcode:02x}, which tensors do not need"))),
        }
    }

    // -- the pickle's bytes

    fn take(&mut self, n: usize) -> Result<&'p [u8]> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..n).ok_or_else(|| malformed("pickle: it is truncated"))?;
        self.at += n;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    /// The rest of the line, without its line break.
    fn line(&mut self) -> Result<&'p str> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|b| *b == b'\n').ok_or_else(|| malformed("a line without line break"))?;
        let line = self.take(length + 1)?;
        std::str::from_utf8(&line[..length]).map_err(|_| malformed("a name that is not UTF-8"))
    }

    /// An unsigned length in 1, 4 or 8 bytes.
    fn length(&mut self, width: usize) -> Result<usize> {
        let mut wide = [0; 8];
        wide[..width].copy_from_slice(self.take(width)?);
        usize::try_from(u64::from_le_bytes(wide)).map_err(|_| malformed("a length beyond the file"))
    }

    fn protocol(&mut self) -> Result<()> {
        match self.byte()? {
            2..=5 => Ok(()),
            other => Err(malformed(format!("protocol {other}; 2 to 5 are supported"))),
        }
    }

    // -- the stack

    fn push(&mut self, node: Node) -> Result<()> {
        if self.nodes.len() >= MAX_NODES {
            let limit = MAX_NODES as u64;
            return Err(Error::Limit { what: "values in a checkpoint's pickle", actual: limit + 1, limit });
        }
        self.stack.push(self.nodes.len() as Id);
        self.nodes.push(node);
        Ok(())
    }

    fn top(&self) -> Result<Id> {
        self.stack.last().copied().ok_or_else(|| malformed("nothing on the stack"))
    }

    fn pop(&mut self) -> Result<Id> {
        let mut items = self.pop_many(1)?;
        items.pop().ok_or_else(|| malformed("nothing on the stack"))
    }

    /// Pops `n` values, all after the last mark.
    fn pop_many(&mut self, n: usize) -> Result<Vec<Id>> {
        let lowest = self.marks.last().copied().unwrap_or(0);
        let start = self.stack.len().checked_sub(n).filter(|start| *start >= lowest);
        Ok(self.stack.split_off(start.ok_or_else(|| malformed("too little on the stack"))?))
    }

    fn mark(&mut self) -> Result<()> {
        if self.marks.len() >= MAX_MARKS {
            let limit = MAX_MARKS as u64;
            return Err(Error::Limit { what: "depth of a checkpoint's pickle", actual: limit + 1, limit });
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>> {
        let start = self.marks.pop().ok_or_else(|| malformed("no mark on the stack"))?;
        Ok(self.stack.split_off(start.min(self.stack.len())))
    }

    fn node(&self, id: Id) -> &Node {
        self.nodes.get(id as usize).unwrap_or(&Node::None)
    }

    // -- values

    fn int(&mut self, opcode: u8) -> Result<()> {
        let value = match opcode {
            b'J' => i64::from(i32::from_le_bytes(self.array()?)),
            b'K' => i64::from(self.byte()?),
            b'M' => i64::from(u16::from_le_bytes(self.array()?)),
            _ => self.long()?,
        };
        self.push(Node::Int(value))
    }

    /// A signed integer of up to 8 bytes.
    fn long(&mut self) -> Result<i64> {
        let width = self.length(1)?;
        let bytes = self.take(width)?;
        if width > 8 {
            return Err(malformed(format!("an integer of {width} bytes")));
        }
        let sign = if bytes.last().is_some_and(|b| *b >= 0x80) { 0xFF } else { 0 };
        let mut wide = [sign; 8];
        wide[..width].copy_from_slice(bytes);
        Ok(i64::from_le_bytes(wide))
    }

    fn text(&mut self, opcode: u8) -> Result<()> {
        let length = self.length(match opcode {
            0x8c | b'U' => 1,
            0x8d => 8,
            _ => 4,
        })?;
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("a string that is not UTF-8"))?;
        self.push(Node::Text(text.to_owned()))
    }

    fn skip_bytes(&mut self, opcode: u8) -> Result<()> {
        let length = self.length(match opcode {
            b'C' => 1,
            b'B' => 4,
            _ => 8,
        })?;
        self.take(length)?;
        self.push(Node::Bytes)
    }

    fn short_tuple(&mut self, n: usize) -> Result<()> {
        let items = self.pop_many(n)?;
        self.push(Node::Tuple(items))
    }

    fn append(&mut self, items: Vec<Id>) -> Result<()> {
        let list = self.top()?;
        match self.nodes.get_mut(list as usize) {
            Some(Node::List(list)) => {
                list.extend(items);
                Ok(())
            }
            _ => Err(malformed("a value is appended to something other than a list")),
        }
    }

    fn set_items(&mut self, items: &[Id]) -> Result<()> {
        let dict = self.top()?;
        match self.nodes.get_mut(dict as usize) {
            Some(Node::Dict(dict)) => {
                dict.extend(pairs(items)?);
                Ok(())
            }
            _ => Err(malformed("a pair is added to something other than a dictionary")),
        }
    }

    // -- the memo

    fn memoise(&mut self, opcode: u8) -> Result<()> {
        let key = match opcode {
            b'q' => u32::from(self.byte()?),
            b'r' => u32::from_le_bytes(self.array()?),
            _ => self.memo.len() as u32,
        };
        let id = self.top()?;
        self.memo.insert(key, id);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<()> {
        let key = if opcode == b'h' { u32::from(self.byte()?) } else { u32::from_le_bytes(self.array()?) };
        let id = self.memo.get(&key).ok_or_else(|| malformed(format!("the memo has no entry {key}")))?;
        self.stack.push(*id);
        Ok(())
    }

    // -- globals and calls

    fn global_by_lines(&mut self) -> Result<()> {
        let (module, name) = (self.line()?, self.line()?);
        self.push(Node::Global(Global::named(module, name)?))
    }

    fn global_by_stack(&mut self) -> Result<()> {
        let names = self.pop_many(2)?;
        let [Node::Text(module), Node::Text(name)] = [self.node(names[0]), self.node(names[1])] else {
            return Err(malformed("a global whose name is not a string"));
        };
        let global = Global::named(module, name)?;
        self.push(Node::Global(global))
    }

    fn call(&mut self) -> Result<()> {
        let operands = self.pop_many(2)?;
        let (Node::Global(global), Node::Tuple(arguments)) = (self.node(operands[0]), self.node(operands[1])) else {
            return Err(malformed("a call of something other than a function, or without arguments"));
        };
        match global {
            Global::OrderedDict if arguments.is_empty() => self.push(Node::Dict(Vec::new())),
            Global::OrderedDict => Err(malformed("an ordered dictionary that is not created empty")),
            Global::RebuildTensor => {
                let tensor = self.tensor(arguments)?;
                self.push(Node::Tensor(tensor))
            }
            Global::RebuildParameter => match arguments.first() {
                Some(id) if matches!(self.node(*id), Node::Tensor(_)) => {
                    let id = *id;
                    self.stack.push(id);
                    Ok(())
                }
                _ => Err(malformed("a parameter that is not a tensor")),
            },
            Global::Description => self.push(Node::Skipped),
            Global::Storage(_) => Err(malformed("a storage's type is called")),
        }
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks[, metadata])`.
    fn tensor(&self, arguments: &[Id]) -> Result<TensorView> {
        let [storage, offset, shape, strides, ..] = arguments else {
            return Err(malformed("a tensor without its shape"));
        };
        let Node::Storage(storage) = self.node(*storage) else { return Err(malformed("a tensor without storage")) };
        let sizes = |id: &Id| match self.node(*id) {
            Node::Tuple(ids) | Node::List(ids) => ids.iter().map(|id| self.size(*id)).collect::<Result<Vec<usize>>>(),
            _ => Err(malformed("a tensor's shape that is not a tuple")),
        };
        TensorView::new(storage.clone(), self.size(*offset)?, sizes(shape)?, sizes(strides)?)
    }

    fn size(&self, id: Id) -> Result<usize> {
        match self.node(id) {
            Node::Int(n) => usize::try_from(*n).map_err(|_| malformed(format!("{n} is not a size"))),
            _ => Err(malformed("a size that is not an integer")),
        }
    }

    /// Drops the attributes of an ordered dictionary, in which torch stores versions of its
    /// modules, and of a skipped object.
    fn build(&mut self) -> Result<()> {
        self.pop()?;
        match self.node(self.top()?) {
            Node::Dict(_) | Node::Skipped => Ok(()),
            _ => Err(malformed("attributes of something other than a dictionary")),
        }
    }

    /// `("storage", type, key, device, length)`: a reference to a file of the archive.
    fn storage(&mut self) -> Result<()> {
        let id = self.pop()?;
        let Node::Tuple(parts) = self.node(id) else { return Err(malformed("a reference that is not a tuple")) };
        let [tag, dtype, key, _, length, ..] = parts[..] else {
            return Err(malformed("a reference that is too short"));
        };
        let (Node::Text(tag), Node::Global(Global::Storage(dtype)), Node::Text(key)) =
            (self.node(tag), self.node(dtype), self.node(key))
        else {
            return Err(malformed("a reference to something other than a storage"));
        };
        if tag != "storage" {
            return Err(malformed(format!("a reference to `{}`", tag.escape_debug())));
        }
        if key.len() > MAX_KEY_BYTES {
            return Err(malformed(format!("a storage's name of {} bytes", key.len())));
        }
        let storage = Storage { dtype: *dtype, key: key.clone(), len: self.size(length)? };
        self.push(Node::Storage(storage))
    }
}

/// Alternating keys and values as pairs.
fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>> {
    if !items.len().is_multiple_of(2) {
        return Err(malformed("a key without value"));
    }
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(pickle: &[u8]) -> String {
        read(pickle).unwrap_err().to_string()
    }

    #[test]
    fn values_of_every_type_are_read() {
        let pickle = b"\x80\x04\x95\0\0\0\0\0\0\0\0}\x94(\x8c\x01aK\x07\x8c\x01bJ\xFE\xFF\xFF\xFF\x8c\x01cG\x3F\xF8\0\0\0\0\0\0\
            \x8c\x01dN\x8c\x01e\x88\x8c\x01f\x8a\x02\x00\x80\x8c\x01g]\x94(K\x01K\x02e\x8c\x01hX\x02\0\0\0hiM\x01\x02B\x01\0\0\0xu.";
        let nodes = read(pickle).unwrap();
        let root = nodes.root();
        assert_eq!(root.get("a").unwrap().int(), Some(7));
        assert_eq!(root.get("b").unwrap().int(), Some(-2));
        assert_eq!(root.get("c").unwrap().number(), Some(1.5));
        assert!(root.get("d").unwrap().is_none());
        assert_eq!(root.get("e").unwrap().bool(), Some(true));
        assert_eq!(root.get("f").unwrap().int(), Some(-32_768));
        assert_eq!(
            root.get("g").unwrap().items().filter_map(crate::import::torch::Item::int).collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(root.get("h").unwrap().text(), Some("hi"));
        assert!(root.get("x").is_none() && root.pairs().count() == 9);
    }

    #[test]
    fn functions_that_tensors_do_not_need_are_refused_by_name() {
        for pickle in [
            &b"\x80\x02cos\nsystem\n(X\x02\0\0\0lstR."[..],
            b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.",
            b"\x80\x02cos\nsystem\n.",
        ] {
            assert!(message(pickle).contains("`os.system`"), "{}", message(pickle));
        }
        assert!(message(b"\x80\x02c__builtin__\neval\n.").contains("`__builtin__.eval`"));
        assert!(message(b"\x80\x02ctorch.hub\nload\n.").contains("`torch.hub.load`"));
        assert!(message(b"\x80\x02ctorch\nload\n.").contains("`torch.load`"));
        assert!(message(b"\x80\x02cevil\n\x1b[2J\n.").contains("`evil.\\u{1b}[2J`"));
    }

    #[test]
    fn objects_that_describe_the_network_are_skipped() {
        let pickle = b"\x80\x02}(X\x01\0\0\0acpyannote.audio.core.task\nSpecifications\n)\x81}X\x01\0\0\0bK\x01sbX\x01\0\0\0cK\x05u.";
        let nodes = read(pickle).unwrap();
        assert!(matches!(nodes.root().get("a").unwrap().node(), Node::Skipped));
        assert_eq!(nodes.root().get("c").unwrap().int(), Some(5));
        assert!(message(b"\x80\x02cpyannote.audio.core.task\nTask\n.").contains("`pyannote.audio.core.task.Task`"));
    }

    #[test]
    fn opcodes_that_execute_something_are_refused() {
        for opcode in *b"ioPRb\x92\x82\x83\x84\x8b\x8f\x90\x91\x96\x97\x98FILSV\xFF" {
            let error = read(&[b"\x80\x02)", &[opcode][..], b"\n."].concat()).unwrap_err();
            assert!(matches!(error, Error::Malformed { .. }), "{opcode:02x}: {error}");
        }
    }

    #[test]
    fn a_truncated_or_changed_pickle_does_not_panic() {
        let pickle =
            b"\x80\x02}q\0(X\x01\0\0\0wctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\n\
            X\x01\0\0\x000X\x03\0\0\0cpuK\x06tQK\0K\x02K\x03\x86K\x03K\x01\x86\x89ccollections\nOrderedDict\n)RtRu.";
        let nodes = read(pickle).unwrap();
        assert_eq!(nodes.root().get("w").unwrap().tensor().unwrap().shape(), [2, 3]);
        for length in 0..pickle.len() {
            assert!(read(&pickle[..length]).is_err(), "{length}");
        }
        for at in 0..pickle.len() {
            for byte in 0..=255 {
                let mut changed = pickle.to_vec();
                changed[at] = byte;
                let _ = read(&changed);
            }
        }
    }

    #[test]
    fn depth_values_and_length_have_limits() {
        let limited = |pickle: &[u8]| assert!(matches!(read(pickle), Err(Error::Limit { .. })));
        limited(&[b'('; MAX_MARKS + 1]);
        limited(&vec![b'N'; MAX_NODES + 1]);
        limited(&vec![b'0'; MAX_BYTES + 1]);
        // a list that contains itself, and a long chain of nested tuples
        assert!(read(b"]q\0h\0a.").unwrap().root().items().next().unwrap().items().next().is_some());
        assert!(read(&[&b")"[..], &vec![0x85; 100_000], b"."].concat()).is_ok());
    }

    #[test]
    fn doubling_lists_do_not_multiply_memory() {
        let mut pickle = b"]q\0".to_vec();
        for k in 0..200_u8 {
            pickle.extend([b'h', k, b'h', k, 0x86, b'q', k + 1]);
        }
        pickle.push(b'.');
        assert!(read(&pickle).unwrap().all.len() <= 201);
    }
}
