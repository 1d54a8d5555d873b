//! `cnnc graph`: the network as a picture.
//!
//! [`picture`] decides what is shown: which blocks are one box, which layers share one, which boxes stand for several.
//! [`layout`] says where boxes and edges are, [`svg`] draws them.

mod layout;
mod picture;
mod svg;

use super::Failed;
use super::arguments::Graph as Arguments;
use super::spec::Named;
use super::{print, write};
use picture::{Open, Picture};

/// What is more than anyone looks at, and takes long to lay out.
const MAX_BOXES: usize = 2_000;

/// Draws the network that the arguments name.
pub fn graph(arguments: &Arguments) -> Result<(), Failed> {
    if let Some(path) = &arguments.output {
        write::ends_in("svg", path)?;
        write::has_folder(path)?;
    }
    let graph = Named::find(&arguments.spec)?.elaborate(&arguments.options)?;
    for name in arguments.fold.iter().chain(&arguments.unfold).filter(|name| !name.is_empty()) {
        known_block(&graph, name)?;
    }
    let open = Open {
        depth: if arguments.unfold.iter().any(String::is_empty) { Some(usize::MAX) } else { arguments.depth },
        unfold: &arguments.unfold,
        fold: &arguments.fold,
    };
    let picture = Picture::of(&graph, &open);
    if picture.items.len() > MAX_BOXES {
        return Err(Failed::input(format!(
            "{} boxes are too many for a picture\nfits: at most {MAX_BOXES}; `--depth 0` and `--fold BLOCK` make fewer",
            picture.items.len()
        )));
    }
    let text = svg::draw(&picture);
    match &arguments.output {
        Some(path) => write::file(path, text.as_bytes()),
        None => print(&text),
    }
}

fn known_block(graph: &crate::graph::Graph, name: &str) -> Result<(), Failed> {
    let mut blocks: Vec<&str> = graph.calls.iter().map(|call| call.block.as_str()).collect();
    blocks.sort_unstable();
    blocks.dedup();
    if blocks.contains(&name) {
        return Ok(());
    }
    let fits = if blocks.is_empty() { "this net calls none".to_owned() } else { blocks.join(", ") };
    Err(Failed::input(format!("the net calls no block `{name}`\nfits: {fits}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(name: &str, open: &Open<'_>) -> String {
        let graph = Named::find(name).and_then(|named| named.elaborate(&Default::default()));
        svg::draw(&Picture::of(&graph.expect("a shipped spec is right"), open))
    }

    /// The pictures of the documentation are what the command draws.
    #[test]
    fn pictures_of_the_documentation() {
        let folder = super::super::spec::checkout().expect("tests run in the checkout").join("docs/pictures");
        let mut pictures = 0;
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("the folder can be read").path();
            let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a text");
            let again = format!("cnnc graph {name} -o docs/pictures/{name}.svg");
            assert!(text == drawn(&name, &Open::default()), "{} is old: {again}", path.display());
            pictures += 1;
        }
        assert!(pictures > 0);
    }

    #[test]
    fn blocks_are_folded_as_asked() {
        let boxes = |open: &Open<'_>| drawn("inception", open).matches("font-weight=\"600\"").count();
        let folded = boxes(&Open::default());
        let block = ["inception".to_owned()];
        let unfolded = boxes(&Open { unfold: &block, ..Open::default() });
        assert!(folded < unfolded, "{folded} and {unfolded} boxes");
        assert_eq!(unfolded, boxes(&Open { depth: Some(usize::MAX), ..Open::default() }));
        assert_eq!(folded, boxes(&Open { depth: Some(usize::MAX), fold: &block, ..Open::default() }));
    }

    #[test]
    fn equal_blocks_are_one_box() {
        assert!(drawn("resnet152", &Open::default()).contains(">bottleneck  × 35</text>"));
    }

    /// Names of users are text in the picture, whatever they hold.
    #[test]
    fn text_is_escaped() {
        let picture = Picture {
            name: "A<B> & \"C\"".to_owned(),
            about: String::new(),
            totals: Default::default(),
            items: Vec::new(),
            edges: Vec::new(),
        };
        let text = svg::draw(&picture);
        assert!(text.contains(">A&lt;B&gt; &amp; &quot;C&quot;</text>"), "{text}");
    }
}
