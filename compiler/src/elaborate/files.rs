//! The files that take part: blocks and constants by file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::Loader;
use crate::diagnostics::{Diagnostic, FileId, Outcome, SourceMap, Span, nearest};
use crate::syntax::{ast, parse};

/// Most files of one compilation.
const MAX_FILES: usize = 256;

/// Blocks and constants that each file sees: its own and those of files it uses, directly or not.
#[derive(Debug, Default)]
pub struct Files {
    blocks: HashMap<FileId, HashMap<String, (FileId, ast::Definition)>>,
    consts: HashMap<FileId, Vec<ast::Binding>>,
}

impl Files {
    /// A block that a file sees, and the file it stands in.
    pub fn block(&self, file: FileId, name: &str) -> Option<&(FileId, ast::Definition)> {
        self.blocks.get(&file)?.get(name)
    }

    /// Names of the blocks that a file sees.
    pub fn block_names(&self, file: FileId) -> impl Iterator<Item = &str> {
        self.blocks.get(&file).into_iter().flat_map(|b| b.keys().map(String::as_str))
    }

    /// Constants that a file sees, in order.
    pub fn consts(&self, file: FileId) -> &[ast::Binding] {
        self.consts.get(&file).map_or(&[], Vec::as_slice)
    }
}

/// Reads a file and all it uses; also its nets.
pub fn load(sources: &mut SourceMap, loader: &dyn Loader, entry: FileId) -> Outcome<(Files, Vec<ast::Definition>)> {
    let mut reader = Reader { sources, loader, files: Files::default(), known: HashMap::new(), under_way: Vec::new() };
    let path = reader.sources.path(entry).to_owned();
    reader.known.insert(path.clone(), entry);
    reader.under_way.push(path);
    let nets = reader.file(entry)?;
    Ok((reader.files, nets))
}

struct Reader<'a> {
    sources: &'a mut SourceMap,
    loader: &'a dyn Loader,
    files: Files,
    known: HashMap<PathBuf, FileId>,
    under_way: Vec<PathBuf>,
}

impl Reader<'_> {
    fn file(&mut self, file: FileId) -> Outcome<Vec<ast::Definition>> {
        let tree = parse(self.sources, file)?;
        let (mut nets, mut mistakes) = (Vec::new(), Vec::new());
        let mut blocks: HashMap<String, (FileId, ast::Definition)> = HashMap::new();
        let mut consts = Vec::new();
        for item in tree.items {
            match item {
                ast::Item::Use { path, span } => match self.used(file, &path, span) {
                    Ok(used) => {
                        blocks.extend(self.files.blocks.get(&used).cloned().unwrap_or_default());
                        consts.extend(self.files.consts(used).to_vec());
                    }
                    Err(more) => mistakes.extend(more),
                },
                ast::Item::Const(binding) => consts.push(binding),
                ast::Item::Block(block) => {
                    if let Some(mistake) = misnamed(&block, blocks.get(&block.name.name)) {
                        mistakes.push(mistake);
                    }
                    blocks.insert(block.name.name.clone(), (file, block));
                }
                ast::Item::Net(net) => nets.push(net),
            }
        }
        for (i, net) in nets.iter().enumerate() {
            if let Some(other) = nets[..i].iter().find(|n| n.name.name == net.name.name) {
                let title = format!("the net `{}` is defined twice", net.name.name);
                mistakes.push(Diagnostic::new(net.name.span, title).also(other.name.span, "first here"));
            }
        }
        self.files.blocks.insert(file, blocks);
        self.files.consts.insert(file, consts);
        if mistakes.is_empty() { Ok(nets) } else { Err(mistakes) }
    }

    /// The file that a `use` means, read if it is new.
    fn used(&mut self, from: FileId, path: &str, span: Span) -> Outcome<FileId> {
        let full = normal(&self.loader.resolve(self.sources.path(from), path));
        if self.under_way.iter().any(|p| normal(p) == full) {
            let mut chain: Vec<String> = self.under_way.iter().map(|p| p.display().to_string()).collect();
            chain.push(full.display().to_string());
            return Err(vec![
                Diagnostic::new(span, "files use each other in a circle")
                    .found(chain.join(" uses "))
                    .fits("move what both need to a file of its own"),
            ]);
        }
        if let Some(file) = self.known.get(&full) {
            return Ok(*file);
        }
        if self.known.len() >= MAX_FILES {
            return Err(vec![Diagnostic::new(span, "too many files").fits(format!("at most {MAX_FILES}"))]);
        }
        let text = self.loader.read(&full).map_err(|why| vec![self.missing(&full, path, span, &why)])?;
        let file = self.sources.add(&full, text);
        self.known.insert(full.clone(), file);
        self.under_way.push(full);
        let read = self.file(file);
        self.under_way.pop();
        read.map(|_| file)
    }

    fn missing(&self, full: &Path, path: &str, span: Span, why: &str) -> Diagnostic {
        let mut diagnostic = Diagnostic::new(span, format!("cannot read `{path}`"))
            .found(format!("{}: {why}", full.display()))
            .fits("a path relative to this file");
        let siblings = self.loader.siblings(full);
        let name = full.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(near) = nearest(&name, siblings.iter().map(String::as_str)) {
            diagnostic = diagnostic.hint(format!("did you mean `{near}`?"));
        }
        diagnostic
    }
}

/// A block whose name is taken by an operator or another block.
fn misnamed(block: &ast::Definition, other: Option<&(FileId, ast::Definition)>) -> Option<Diagnostic> {
    let name = &block.name;
    if crate::ops::definition(&name.name).is_some() {
        let title = format!("`{}` is the name of an operator", name.name);
        return Some(Diagnostic::new(name.span, title).fits("a name of its own"));
    }
    let (_, other) = other?;
    let title = format!("the block `{}` is defined twice", name.name);
    Some(Diagnostic::new(name.span, title).also(other.name.span, "first here"))
}

/// Without `.` and `..`, as far as the text alone can tell.
fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}
