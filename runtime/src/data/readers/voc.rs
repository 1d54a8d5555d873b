//! The annotations of Pascal VOC: an XML file for each picture.

use std::path::{Path, PathBuf};

use roxmltree::{Document, Node};

use super::{Names, agrees, at_line, files, inside, read_text, size_of_picture};
use crate::boxes::Corners;
use crate::data::{Collection, Example, Pixels};
use crate::files::FileError;
use crate::metrics::TrueBox;

/// What a file says of its picture.
struct Annotated {
    file: PathBuf,
    photo: PathBuf,
    objects: Vec<Object>,
}

/// A thing in a picture.
struct Object {
    corners: Corners,
    difficult: bool,
    name: String,
    /// Where the file speaks of it.
    line: usize,
}

/// Boxes of all XML files of a folder; pictures are looked up in `images` under the name that the file says. Pixels count from
/// 1 there, and the last ones are part of the box. `classes` gives their order; if it is empty it is that of their names.
///
/// Objects that are marked `difficult` are learnt from like others, as SSD does (Liu et al. 2016, its code's `use_difficult_gt`),
/// but finding them is neither right nor wrong (Everingham et al. 2010).
///
/// # Errors
/// Where a file cannot be read, is no such XML, has a box outside of its picture or a class that is not among `classes`, or where a
/// picture is missing or has another size than the file says. The error names the file and the line.
pub fn voc(annotations: &Path, images: &Path, classes: &[String]) -> Result<Collection, FileError> {
    let files = files(annotations, &["xml"])?;
    if files.is_empty() {
        return Err(FileError::new(annotations, "there is no XML file in it"));
    }
    let all = files.into_iter().map(|file| read(file, images)).collect::<Result<Vec<Annotated>, _>>()?;
    let names = Names::new(classes, all.iter().flat_map(|a| a.objects.iter().map(|o| o.name.clone())).collect());
    let examples = all.into_iter().map(|annotated| example(annotated, &names)).collect::<Result<_, FileError>>()?;
    Ok(Collection { examples, classes: names.names })
}

fn example(Annotated { file, photo, objects }: Annotated, names: &Names) -> Result<Example, FileError> {
    let truth = |object: &Object| match names.number(&object.name) {
        Ok(class) => Ok(TrueBox { difficult: object.difficult, ..TrueBox::new(0, class, object.corners) }),
        Err(message) => Err(at_line(&file, object.line, message)),
    };
    let truths = objects.iter().map(truth).collect::<Result<Vec<_>, _>>()?;
    let boxes = truths.iter().map(|truth| (truth.corners, truth.class)).collect();
    Ok(Example { boxes, truths, ..Example::new(Pixels::File(photo)) })
}

fn read(file: PathBuf, images: &Path) -> Result<Annotated, FileError> {
    let text = read_text(&file)?;
    let document = Document::parse(&text)
        .map_err(|e| at_line(&file, e.pos().row as usize, format!("no valid XML: {}", brief(&e.to_string()))))?;
    let line = |node: Node<'_, '_>| document.text_pos_at(node.range().start).row as usize;
    let child = |node: Node<'_, '_>, name: &str| {
        find(node, name)
            .map(|child| child.id())
            .ok_or_else(|| at_line(&file, line(node), format!("`{}` has no `{name}`", node.tag_name().name())))
    };
    let node = |id| document.get_node(id).unwrap_or_else(|| document.root());
    let text_of =
        |parent: Node<'_, '_>, name: &str| Ok(node(child(parent, name)?).text().unwrap_or_default().trim().to_owned());
    let number = |parent: Node<'_, '_>, name: &str| {
        let (place, text) = (node(child(parent, name)?), text_of(parent, name)?);
        match text.parse::<f32>() {
            Ok(x) if x.is_finite() => Ok(x),
            _ => Err(at_line(&file, line(place), format!("`{name}` is `{text}`, but it must be a number"))),
        }
    };
    let root = document.root_element();
    // What is missing is like 0, which says nothing.
    let size = find(root, "size");
    let side = |name: &str| match size.filter(|size| find(*size, name).is_some()) {
        Some(size) => number(size, name),
        None => Ok(0.0),
    };
    let said = (side("width")?, side("height")?);
    let name = node(child(root, "filename")?);
    let photo = images.join(text_of(root, "filename")?);
    let (width, height) = size_of_picture(&photo).map_err(|e| at_line(&file, line(name), e))?;
    if !agrees(said, (width, height)) {
        let message = format!("the size is {} x {}, but the picture has {width} x {height}", said.0, said.1);
        return Err(at_line(&file, line(size.unwrap_or(root)), message));
    }
    let mut objects = Vec::new();
    for object in root.children().filter(|child| child.has_tag_name("object")) {
        let place = node(child(object, "bndbox")?);
        let corners = Corners {
            x1: number(place, "xmin")? - 1.0,
            y1: number(place, "ymin")? - 1.0,
            x2: number(place, "xmax")?,
            y2: number(place, "ymax")?,
        };
        let corners = inside(corners, width, height).map_err(|message| at_line(&file, line(place), message))?;
        let difficult = find(object, "difficult").is_some() && number(object, "difficult")? != 0.0;
        objects.push(Object { corners, difficult, name: text_of(object, "name")?, line: line(object) });
    }
    Ok(Annotated { file, photo, objects })
}

fn find<'a, 'text>(node: Node<'a, 'text>, name: &str) -> Option<Node<'a, 'text>> {
    node.children().find(|child| child.has_tag_name(name))
}

/// A message without the place, which stands in front of it already.
fn brief(message: &str) -> &str {
    message.split(" at ").next().unwrap_or(message)
}
