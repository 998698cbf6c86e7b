//! The module tree of `src`: which file defines a name, and which names each file uses.
//!
//! Files are split into tokens by `proc-macro2`, so comments, doc comments and string literals
//! contribute nothing. From the tokens come modules (`mod x;` and `mod x { … }`), definitions
//! (`fn`, `struct`, …), imports and re-exports (`use`), and every path with `::` in the code. A
//! path is followed through imports and re-exports to the file that defines its first item; what
//! follows (a variant, an associated function) belongs to that item.
//!
//! Limits: types are not inferred. A method call, and an inherent `impl` of a type of another file,
//! are not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};

/// A re-export chain longer than this is a mistake of this reader.
const MAX_HOPS: usize = 32;

/// The library is the first module; paths of the program begin with `persona_engine` there.
const LIBRARY: usize = 0;

/// A path as written: `["super", "spec", "Container"]`.
type Segments = Vec<String>;

/// One module: a file, or a `mod x { … }` inside a file.
struct Module {
    file: PathBuf,
    /// Path from the crate root: `["audio", "wav"]`. Empty for `lib.rs` and `main.rs`.
    path: Segments,
    root: usize,
    parent: Option<usize>,
    /// Compiled for tests only.
    is_test: bool,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    imports: BTreeMap<String, Segments>,
    globs: Vec<Segments>,
    uses: Vec<RawUse>,
}

struct RawUse {
    segments: Segments,
    is_reexport: bool,
    is_test: bool,
}

/// All modules of the library and of the program.
pub(super) struct SourceTree {
    modules: Vec<Module>,
}

/// A name that a file uses, followed to its definition.
pub(super) struct Use {
    /// The layer that contains the path; empty for `lib.rs` and `main.rs`.
    pub(super) layer: String,
    /// The file that contains the path, relative to `src`.
    pub(super) file: PathBuf,
    /// The file that defines the name, relative to `src`.
    pub(super) definition: PathBuf,
    /// Path of the defining module, then the name: `["nn", "precision", "Precision"]`.
    pub(super) defined: Segments,
    /// The path as written, from the crate root: `["engine", "Precision"]`.
    pub(super) written: Segments,
    /// A `pub use`, `pub(crate) use` or `pub(super) use`.
    pub(super) is_reexport: bool,
    /// In code that is compiled for tests only.
    pub(super) is_test: bool,
}

enum Target {
    Module(usize),
    Item(usize, String),
}

impl Module {
    fn layer(&self) -> String {
        self.path.first().cloned().unwrap_or_default()
    }
}

impl SourceTree {
    /// Reads `lib.rs`, `main.rs` and every module that they declare.
    pub(super) fn read(src: &Path) -> Self {
        let mut tree = Self { modules: Vec::new() };
        for root in ["lib.rs", "main.rs"] {
            tree.read_root(src, root, &fs::read_to_string(src.join(root)).unwrap());
        }
        tree
    }

    /// A tree in memory, for tests of this reader: the text of `lib.rs`, in which each
    /// `mod x { … }` stands for a file.
    pub(super) fn of_text(text: &str) -> Self {
        let mut tree = Self { modules: Vec::new() };
        tree.read_root(Path::new(""), "lib.rs", text);
        tree
    }

    /// The layers that modules belong to; empty for `lib.rs` and `main.rs`.
    pub(super) fn layers(&self) -> BTreeSet<String> {
        self.modules.iter().map(Module::layer).collect()
    }

    /// Every use of a name of this repository by a file that does not define it.
    pub(super) fn uses(&self) -> Vec<Use> {
        let mut out = Vec::new();
        for (id, module) in self.modules.iter().enumerate() {
            for raw in &module.uses {
                let Some(Target::Item(owner, name)) = self.resolve(id, &raw.segments, 0) else { continue };
                let owner = &self.modules[owner];
                if owner.file == module.file {
                    continue;
                }
                let mut defined = owner.path.clone();
                defined.push(name);
                out.push(Use {
                    layer: module.layer(),
                    file: module.file.clone(),
                    definition: owner.file.clone(),
                    defined,
                    written: self.absolute(id, &raw.segments, 0),
                    is_reexport: raw.is_reexport,
                    is_test: raw.is_test || module.is_test,
                });
            }
        }
        out
    }

    fn read_root(&mut self, src: &Path, file: &str, text: &str) {
        let root = self.add(Module {
            file: file.into(),
            path: Vec::new(),
            root: self.modules.len(),
            parent: None,
            is_test: false,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
            uses: Vec::new(),
        });
        self.read_text(src, root, text);
    }

    fn add(&mut self, module: Module) -> usize {
        self.modules.push(module);
        self.modules.len() - 1
    }

    fn read_text(&mut self, src: &Path, module: usize, text: &str) {
        let tokens: TokenStream =
            text.parse().unwrap_or_else(|e| panic!("{}: {e}", self.modules[module].file.display()));
        Reader { tree: self, src, module }.items(tokens);
    }

    fn add_child(&mut self, parent: usize, name: &str, file: PathBuf, is_test: bool) -> usize {
        let above = &self.modules[parent];
        let mut path = above.path.clone();
        path.push(name.to_owned());
        let (root, is_test) = (above.root, is_test || above.is_test);
        let child = self.add(Module {
            file,
            path,
            root,
            parent: Some(parent),
            is_test,
            children: BTreeMap::new(),
            items: BTreeSet::new(),
            imports: BTreeMap::new(),
            globs: Vec::new(),
            uses: Vec::new(),
        });
        self.modules[parent].children.insert(name.to_owned(), child);
        child
    }

    /// Whether a path that begins with `head` can be one of this repository when written in
    /// `module`.
    fn knows(&self, module: usize, head: &str) -> bool {
        let module = &self.modules[module];
        matches!(head, "crate" | "self" | "super" | "persona_engine")
            || module.children.contains_key(head)
            || module.imports.contains_key(head)
    }

    /// The start of a path: the module reached by `crate`, `self`, `super` and `persona_engine`,
    /// and the segments left.
    fn start<'s>(&self, from: usize, segments: &'s [String]) -> (usize, &'s [String], bool) {
        let (mut at, mut rest, mut explicit) = (from, segments, false);
        while let Some((head, tail)) = rest.split_first() {
            at = match head.as_str() {
                "crate" => self.modules[at].root,
                "persona_engine" => LIBRARY,
                "self" => at,
                "super" => self.modules[at].parent.unwrap_or(at),
                _ => break,
            };
            (rest, explicit) = (tail, true);
        }
        (at, rest, explicit)
    }

    /// The item or module that a path names; `None` for another crate's.
    fn resolve(&self, from: usize, segments: &[String], hops: usize) -> Option<Target> {
        assert!(hops < MAX_HOPS, "{segments:?} goes round in {}", self.modules[from].file.display());
        let (mut at, mut rest, explicit) = self.start(from, segments);
        if !explicit && !self.knows(at, rest.first()?) && !self.modules[at].items.contains(rest.first()?) {
            return None;
        }
        while let Some((name, tail)) = rest.split_first() {
            let module = &self.modules[at];
            let is_last = tail.is_empty();
            if is_last && module.items.contains(name) {
                return Some(Target::Item(at, name.clone()));
            }
            // `pub use residual::residual` next to `mod residual`: the last segment is the item
            if let Some(import) = module.imports.get(name).filter(|_| is_last || !module.children.contains_key(name)) {
                match self.resolve(at, import, hops + 1)? {
                    Target::Module(child) => at = child,
                    item @ Target::Item(..) => return Some(item),
                }
            } else if let Some(&child) = module.children.get(name) {
                at = child;
            } else if module.items.contains(name) {
                return Some(Target::Item(at, name.clone()));
            } else {
                return self.by_glob(at, rest, hops).or_else(|| Some(Target::Item(at, name.clone())));
            }
            rest = tail;
        }
        Some(Target::Module(at))
    }

    /// A name that `use x::*` brings into a module.
    fn by_glob(&self, at: usize, rest: &[String], hops: usize) -> Option<Target> {
        self.modules[at].globs.iter().find_map(|glob| {
            let Target::Module(through) = self.resolve(at, glob, hops + 1)? else { return None };
            let module = &self.modules[through];
            let known = module.items.contains(&rest[0])
                || module.imports.contains_key(&rest[0])
                || module.children.contains_key(&rest[0]);
            known.then(|| self.resolve(through, rest, hops + 1)).flatten()
        })
    }

    /// The path as written, from the crate root, with the imports of the file itself expanded.
    fn absolute(&self, from: usize, segments: &[String], hops: usize) -> Segments {
        let (at, rest, explicit) = self.start(from, segments);
        let module = &self.modules[at];
        let head = rest.split_first().filter(|_| !explicit && hops < MAX_HOPS);
        if let Some((import, tail)) = head.and_then(|(head, tail)| Some((module.imports.get(head)?, tail))) {
            return [self.absolute(at, import, hops + 1), tail.to_vec()].concat();
        }
        [&module.path, rest].concat()
    }
}

/// Reads the tokens of one module.
struct Reader<'t> {
    tree: &'t mut SourceTree,
    src: &'t Path,
    module: usize,
}

impl Reader<'_> {
    /// The items of a module.
    fn items(&mut self, tokens: TokenStream) {
        self.walk(tokens, true, self.tree.modules[self.module].is_test);
    }

    /// Tokens at one depth. `is_top`: directly in the module, where definitions are names of the
    /// module.
    fn walk(&mut self, tokens: TokenStream, is_top: bool, is_test: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let (mut i, mut test_item, mut is_public) = (0, false, false);
        while i < tokens.len() {
            let test = is_test || test_item;
            match &tokens[i] {
                TokenTree::Punct(p) if p.as_char() == '#' && is_cfg_test(tokens.get(i + 1)) => {
                    test_item = true;
                    i += 1;
                }
                TokenTree::Punct(p) if p.as_char() == ';' || (p.as_char() == ',' && !is_top) => {
                    (test_item, is_public) = (false, false);
                }
                TokenTree::Group(group) => {
                    self.walk(group.stream(), false, test);
                    if group.delimiter() == Delimiter::Brace {
                        (test_item, is_public) = (false, false);
                    }
                }
                TokenTree::Ident(word) if word == "pub" => is_public = true,
                TokenTree::Ident(word) if word == "use" && !is_punct(tokens.get(i + 1), '<') => {
                    let end = (i..tokens.len()).find(|&j| is_punct(tokens.get(j), ';')).unwrap_or(tokens.len());
                    self.import(&tokens[i + 1..end], Vec::new(), is_public, test);
                    i = end - 1;
                }
                TokenTree::Ident(word) if word == "mod" && is_top => i = self.child(&tokens, i, test),
                TokenTree::Ident(word) => {
                    if is_top {
                        self.define(word, &tokens[i + 1..]);
                    }
                    i = self.path(&tokens, i, test);
                }
                _ => {}
            }
            i += 1;
        }
    }

    /// `mod x;` or `mod x { … }` at `tokens[i]`. Returns the index of its last token but the `;`.
    fn child(&mut self, tokens: &[TokenTree], i: usize, is_test: bool) -> usize {
        let Some(TokenTree::Ident(name)) = tokens.get(i + 1) else { return i };
        let name = name.to_string();
        let above = self.tree.modules[self.module].file.clone();
        if let Some(TokenTree::Group(body)) = tokens.get(i + 2) {
            let in_memory = self.src.as_os_str().is_empty();
            let above = if in_memory { above.with_extension("").join(format!("{name}.rs")) } else { above };
            let child = self.tree.add_child(self.module, &name, above, is_test);
            Reader { tree: &mut *self.tree, src: self.src, module: child }.items(body.stream());
            return i + 2;
        }
        let folder: PathBuf = self.tree.modules[self.module].path.iter().collect();
        let places = [folder.join(format!("{name}.rs")), folder.join(&name).join("mod.rs")];
        let file = places.into_iter().find(|file| self.src.join(file).exists());
        let file = file.unwrap_or_else(|| panic!("`mod {name};` of {} has no file", above.display()));
        let text = fs::read_to_string(self.src.join(&file)).unwrap();
        let child = self.tree.add_child(self.module, &name, file, is_test);
        self.tree.read_text(self.src, child, &text);
        i + 1
    }

    /// Notes the name that a keyword of an item introduces.
    fn define(&mut self, keyword: &Ident, after: &[TokenTree]) {
        let name = match (keyword.to_string().as_str(), after) {
            ("macro_rules", [_, TokenTree::Ident(name), ..])
            | (
                "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static",
                [TokenTree::Ident(name), ..],
            ) => name.to_string(),
            _ => return,
        };
        self.tree.modules[self.module].items.insert(name);
    }

    /// A path of two or more segments at `tokens[i]`. Returns the index of its last token.
    fn path(&mut self, tokens: &[TokenTree], mut i: usize, is_test: bool) -> usize {
        let mut segments = vec![tokens[i].to_string()];
        while let (true, true, Some(TokenTree::Ident(next))) =
            (is_punct(tokens.get(i + 1), ':'), is_punct(tokens.get(i + 2), ':'), tokens.get(i + 3))
        {
            segments.push(next.to_string());
            i += 3;
        }
        if segments.len() > 1 {
            self.tree.modules[self.module].uses.push(RawUse { segments, is_reexport: false, is_test });
        }
        i
    }

    /// The tree of a `use`, flattened.
    fn import(&mut self, tokens: &[TokenTree], mut segments: Segments, is_reexport: bool, is_test: bool) {
        let mut alias = None;
        let mut i = 0;
        while i < tokens.len() {
            match &tokens[i] {
                TokenTree::Ident(word) if word == "as" => {
                    alias = tokens.get(i + 1).map(ToString::to_string);
                    i += 1;
                }
                TokenTree::Ident(word) => segments.push(word.to_string()),
                TokenTree::Punct(star) if star.as_char() == '*' => {
                    return self.tree.modules[self.module].globs.push(segments);
                }
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    for branch in inner.split(|token| is_punct(Some(token), ',')).filter(|branch| !branch.is_empty()) {
                        self.import(branch, segments.clone(), is_reexport, is_test);
                    }
                    return;
                }
                _ => {}
            }
            i += 1;
        }
        if segments.len() > 1 && segments.last().is_some_and(|last| last == "self") {
            segments.pop();
        }
        let Some(name) = alias.or_else(|| segments.last().cloned()) else { return };
        let module = &mut self.tree.modules[self.module];
        if segments.len() > 1 || name != segments[0] {
            module.imports.insert(name, segments.clone());
        }
        module.uses.push(RawUse { segments, is_reexport, is_test });
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

/// Whether an attribute is `[cfg(test)]` or `[cfg(all(test, …))]`.
fn is_cfg_test(attribute: Option<&TokenTree>) -> bool {
    let Some(TokenTree::Group(group)) = attribute else { return false };
    let text = group.stream().to_string().replace(' ', "");
    text.starts_with("cfg(test") || text.starts_with("cfg(all(test")
}
