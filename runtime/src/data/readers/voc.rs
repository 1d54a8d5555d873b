//! The annotations of Pascal VOC: an XML file for each picture.

use std::path::{Path, PathBuf};

use roxmltree::{Document, Node};

use super::{Names, at_line, files, inside, read_text};
use crate::boxes::Corners;
use crate::data::{Collection, Example, Pixels};
use crate::files::FileError;

/// A photo with boxes and the line and name of each one's class.
type Annotated = (PathBuf, PathBuf, Vec<(Corners, usize, String)>);

/// Boxes of all XML files of a folder; pictures are looked up in `images` under the name that the file says. Pixels count from
/// 1 there, and the last ones are part of the box. `classes` gives their order; if it is empty it is that of their names.
pub fn voc(annotations: &Path, images: &Path, classes: &[String]) -> Result<Collection, FileError> {
    let files = files(annotations, &["xml"])?;
    if files.is_empty() {
        return Err(FileError::new(annotations, "there is no XML file in it"));
    }
    let all = files.into_iter().map(|file| read(file, images)).collect::<Result<Vec<Annotated>, _>>()?;
    let names = Names::new(classes, all.iter().flat_map(|a| a.2.iter().map(|b| b.2.clone())).collect());
    let example = |(file, photo, boxes): Annotated| {
        let number = |(corners, line, name): (Corners, usize, String)| match names.number(&name) {
            Ok(class) => Ok((corners, class)),
            Err(message) => Err(at_line(&file, line, message)),
        };
        let boxes = boxes.into_iter().map(number).collect::<Result<_, _>>()?;
        Ok(Example { pixels: Pixels::File(photo), class: None, boxes, points: Vec::new() })
    };
    let examples = all.into_iter().map(example).collect::<Result<_, FileError>>()?;
    Ok(Collection { examples, classes: names.names })
}

fn read(file: PathBuf, images: &Path) -> Result<Annotated, FileError> {
    let text = read_text(&file)?;
    let document = Document::parse(&text)
        .map_err(|e| at_line(&file, e.pos().row as usize, format!("no valid XML: {}", brief(&e.to_string()))))?;
    let line = |node: Node<'_, '_>| document.text_pos_at(node.range().start).row as usize;
    let child = |node: Node<'_, '_>, name: &str| {
        let found = node.children().find(|child| child.has_tag_name(name)).map(|child| child.id());
        found.ok_or_else(|| at_line(&file, line(node), format!("`{}` has no `{name}`", node.tag_name().name())))
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
    let size = node(child(root, "size")?);
    let (width, height) = (number(size, "width")?, number(size, "height")?);
    let mut boxes = Vec::new();
    for object in root.children().filter(|child| child.has_tag_name("object")) {
        let place = node(child(object, "bndbox")?);
        let corners = Corners {
            x1: number(place, "xmin")? - 1.0,
            y1: number(place, "ymin")? - 1.0,
            x2: number(place, "xmax")?,
            y2: number(place, "ymax")?,
        };
        let corners = inside(corners, width, height).map_err(|message| at_line(&file, line(place), message))?;
        boxes.push((corners, line(object), text_of(object, "name")?));
    }
    let photo = images.join(text_of(root, "filename")?);
    Ok((file, photo, boxes))
}

/// A message without the place, which stands in front of it already.
fn brief(message: &str) -> &str {
    message.split(" at ").next().unwrap_or(message)
}
