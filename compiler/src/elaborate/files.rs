//! The files that take part: blocks and constants by file.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Loader, MAX_MISTAKES, variants};
use crate::diagnostics::{Diagnostic, FileId, Outcome, SourceMap, Span, nearest};
use crate::syntax::{ast, parse};

/// Most files of one compilation.
const MAX_FILES: usize = 64;
/// Most bytes of all files together.
const MAX_TOTAL: usize = 1 << 20;

/// Blocks and constants that each file sees: its own and those of files it uses, directly or not.
#[derive(Debug, Default)]
pub struct Files {
    blocks: HashMap<FileId, Blocks>,
    consts: HashMap<FileId, Vec<Rc<ast::Binding>>>,
    nets: HashSet<String>,
}

/// Blocks by name, and the file each stands in.
type Blocks = HashMap<String, (FileId, Rc<ast::Definition>)>;

impl Files {
    /// A block that a file sees, and the file it stands in.
    pub fn block(&self, file: FileId, name: &str) -> Option<&(FileId, Rc<ast::Definition>)> {
        self.blocks.get(&file)?.get(name)
    }

    /// Names of the blocks that a file sees.
    pub fn block_names(&self, file: FileId) -> impl Iterator<Item = &str> {
        self.blocks.get(&file).into_iter().flat_map(|b| b.keys().map(String::as_str))
    }

    /// Constants that a file sees, in order.
    pub fn consts(&self, file: FileId) -> &[Rc<ast::Binding>] {
        self.consts.get(&file).map_or(&[], Vec::as_slice)
    }

    /// Whether a net of any file has this name.
    pub fn is_net(&self, name: &str) -> bool {
        self.nets.contains(name)
    }
}

/// The nets of a file.
pub struct Nets {
    /// All of them in order, variants written out.
    pub all: Vec<ast::Definition>,
    /// Which one the file is about: the last that is no variant.
    pub main: Option<usize>,
}

/// Reads a file and all it uses; also its nets.
pub fn load(sources: &mut SourceMap, loader: &dyn Loader, entry: FileId) -> Outcome<(Files, Nets)> {
    let mut reader =
        Reader { sources, loader, files: Files::default(), known: HashMap::new(), under_way: Vec::new(), bytes: 0 };
    let path = normal(reader.sources.path(entry));
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
    bytes: usize,
}

impl Reader<'_> {
    fn file(&mut self, file: FileId) -> Outcome<Nets> {
        let tree = parse(self.sources, file)?;
        let (mut seen, mut nets, mut main, mut mistakes) = (Seen::default(), Vec::new(), None, Vec::new());
        for item in tree.items {
            if mistakes.len() >= MAX_MISTAKES {
                break;
            }
            match item {
                ast::Item::Use { path, span, .. } => match self.used(file, &path, span) {
                    Ok(used) => mistakes.extend(seen.of_used(&self.files, used, span)),
                    Err(more) => mistakes.extend(more),
                },
                ast::Item::Const { binding, .. } => mistakes.extend(seen.constant(Rc::new(binding))),
                ast::Item::Block(block) => {
                    mistakes.extend(twice("parameter", block.params.iter().map(|p| &p.name)));
                    mistakes.extend(seen.block(file, block));
                }
                ast::Item::Net(net) => {
                    mistakes.extend(twice("parameter", net.params.iter().map(|p| &p.name)));
                    self.files.nets.insert(net.name.name.clone());
                    main = Some(nets.len());
                    nets.push(net);
                }
                ast::Item::Variant(variant) => match variants::written_out(&variant, &nets) {
                    Ok(net) => {
                        self.files.nets.insert(net.name.name.clone());
                        nets.push(net);
                    }
                    Err(more) => mistakes.extend(more),
                },
            }
        }
        mistakes.extend(twice("net", nets.iter().map(|n| &n.name)));
        mistakes.truncate(MAX_MISTAKES);
        self.files.blocks.insert(file, seen.blocks);
        self.files.consts.insert(file, seen.consts);
        if mistakes.is_empty() { Ok(Nets { all: nets, main }) } else { Err(mistakes) }
    }

    /// The file that a `use` means, read if it is new.
    fn used(&mut self, from: FileId, path: &str, span: Span) -> Outcome<FileId> {
        let full = normal(&self.loader.resolve(self.sources.path(from), path));
        if self.under_way.contains(&full) {
            let circle = self.under_way.iter().skip_while(|p| **p != full).chain([&full]);
            let circle: Vec<String> = circle.map(|p| format!("`{}`", p.display())).collect();
            return Err(vec![
                Diagnostic::new(span, "files use each other in a circle")
                    .found(circle.join(" uses "))
                    .fits("files that use those they need, and are not used by them")
                    .hint("move what both need to a file of its own"),
            ]);
        }
        if let Some(file) = self.known.get(&full) {
            return Ok(*file);
        }
        if self.known.len() >= MAX_FILES {
            return Err(vec![
                Diagnostic::new(span, "too many files are used").fits(format!("at most {MAX_FILES} in all")),
            ]);
        }
        let text = self.loader.read(&full).map_err(|why| vec![self.missing(&full, path, span, &why)])?;
        self.bytes += text.len();
        if self.bytes > MAX_TOTAL {
            return Err(vec![
                Diagnostic::new(span, "the files that are used are too large together")
                    .found(format!("{} bytes up to here", self.bytes))
                    .fits(format!("at most {MAX_TOTAL} bytes")),
            ]);
        }
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
            .fits("the path of a file, relative to this one: `use \"blocks/residual.net\"`");
        let siblings = self.loader.siblings(full);
        let name = full.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let near = nearest(&name, siblings.iter().map(String::as_str).filter(|s| s.ends_with(".net")));
        if let Some(near) = near.filter(|near| *near != name) {
            let folder = path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            diagnostic = diagnostic.hint(format!("did you mean `{folder}{near}`?"));
        }
        diagnostic
    }
}

/// What a file sees, while it is read.
#[derive(Default)]
struct Seen {
    blocks: Blocks,
    consts: Vec<Rc<ast::Binding>>,
    /// Places of constants by name.
    names: HashMap<String, Span>,
}

impl Seen {
    fn block(&mut self, file: FileId, block: ast::Definition) -> Option<Diagnostic> {
        let name = block.name.clone();
        if crate::ops::definition(&name.name).is_some() {
            let title = format!("`{}` is the name of an operator", name.name);
            return Some(Diagnostic::new(name.span, title).fits("a name that no operator has"));
        }
        let other = self.blocks.insert(name.name.clone(), (file, Rc::new(block)));
        other.map(|(_, other)| defined_twice("block", &name, other.name.span))
    }

    fn constant(&mut self, binding: Rc<ast::Binding>) -> Option<Diagnostic> {
        let name = match &binding.pattern {
            ast::Pattern::Name(name) => Some(name.clone()),
            ast::Pattern::Tuple(..) => None,
        };
        let name = name?;
        match self.names.insert(name.name.clone(), name.span) {
            Some(other) if other == name.span => None,
            other => {
                self.consts.push(binding);
                other.map(|other| defined_twice("constant", &name, other))
            }
        }
    }

    /// All that a used file sees. Files may come by several ways; only other things of one name are a mistake.
    fn of_used(&mut self, files: &Files, used: FileId, span: Span) -> Vec<Diagnostic> {
        let mut mistakes = Vec::new();
        let mut blocks: Vec<_> = files.blocks.get(&used).into_iter().flatten().collect();
        blocks.sort_by_key(|(_, (file, block))| (*file, block.span.start));
        for (name, (file, block)) in blocks {
            match self.blocks.insert(name.clone(), (*file, Rc::clone(block))) {
                Some((_, other)) if other.name.span != block.name.span => {
                    let title = format!("two blocks `{name}` meet here");
                    let wrong =
                        Diagnostic::new(span, title).also(block.name.span, "one").also(other.name.span, "the other");
                    mistakes.push(wrong.fits("a name of its own for each block that this file sees"));
                }
                _ => {}
            }
        }
        mistakes.extend(files.consts(used).iter().filter_map(|binding| self.constant(Rc::clone(binding))));
        mistakes
    }
}

fn defined_twice(what: &str, name: &ast::Ident, first: Span) -> Diagnostic {
    Diagnostic::new(name.span, format!("the {what} `{}` is defined twice", name.name))
        .also(first, "first here")
        .fits("a name of its own for each")
}

/// Names that come up twice in a list of definitions.
fn twice<'a>(what: &'static str, names: impl Iterator<Item = &'a ast::Ident>) -> Vec<Diagnostic> {
    let mut first: HashMap<&str, Span> = HashMap::new();
    let mut mistakes = Vec::new();
    for name in names {
        match first.get(name.name.as_str()) {
            Some(span) => mistakes.push(defined_twice(what, name, *span)),
            None => {
                first.insert(&name.name, name.span);
            }
        }
    }
    mistakes
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
