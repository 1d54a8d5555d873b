//! The annotations of COCO: one JSON file.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{inside, read_text};
use crate::boxes::Corners;
use crate::data::{Collection, Example, Pixels};
use crate::files::FileError;

/// Boxes of the pictures of a file, which are looked up in `images`. Classes are numbered from 0 in the order of the numbers that
/// they have there. Crowds are left out.
pub fn coco(annotations: &Path, images: &Path) -> Result<Collection, FileError> {
    let text = read_text(annotations)?;
    let json: Value = serde_json::from_str(&text).map_err(|e| {
        FileError::new(annotations, format!("line {}, column {}: no valid JSON: {e}", e.line(), e.column()))
    })?;
    read(&json, images).map_err(|message| FileError::new(annotations, message))
}

fn read(json: &Value, images: &Path) -> Result<Collection, String> {
    let list = |name: &str| json[name].as_array().ok_or_else(|| format!("it has no list `{name}`"));
    let mut categories = BTreeMap::new();
    for (i, category) in list("categories")?.iter().enumerate() {
        let at = |what: &str| format!("categories[{i}]: {what}");
        let id = category["id"].as_u64().ok_or_else(|| at("it has no `id`"))?;
        let name = category["name"].as_str().ok_or_else(|| at("it has no `name`"))?;
        categories.insert(id, name.to_owned());
    }
    let numbers: BTreeMap<u64, u32> = categories.keys().copied().zip(0..).collect();
    let mut examples = Vec::new();
    let mut of_id = BTreeMap::new();
    for (i, image) in list("images")?.iter().enumerate() {
        let at = |what: &str| format!("images[{i}]: {what}");
        let id = image["id"].as_u64().ok_or_else(|| at("it has no `id`"))?;
        let name = image["file_name"].as_str().ok_or_else(|| at("it has no `file_name`"))?;
        let side = |name: &str| image[name].as_f64().ok_or_else(|| at(&format!("it has no `{name}`")));
        of_id.insert(id, (examples.len(), side("width")? as f32, side("height")? as f32));
        let pixels = Pixels::File(images.join(name));
        examples.push(Example { pixels, class: None, boxes: Vec::new(), points: Vec::new() });
    }
    for (i, annotation) in list("annotations")?.iter().enumerate() {
        let at = |what: String| format!("annotations[{i}]: {what}");
        if annotation["iscrowd"].as_u64() == Some(1) {
            continue;
        }
        let image = annotation["image_id"].as_u64().and_then(|id| of_id.get(&id));
        let &(example, width, height) =
            image.ok_or_else(|| at(format!("there is no image with the id {}", annotation["image_id"])))?;
        let class = annotation["category_id"].as_u64().and_then(|id| numbers.get(&id));
        let class =
            *class.ok_or_else(|| at(format!("there is no category with the id {}", annotation["category_id"])))?;
        let numbers: Option<Vec<f32>> =
            annotation["bbox"].as_array().map(|list| list.iter().filter_map(|x| Some(x.as_f64()? as f32)).collect());
        let &[x, y, w, h] = numbers.as_deref().unwrap_or_default() else {
            return Err(at(format!("`bbox` is {}, but it must be [x, y, width, height]", annotation["bbox"])));
        };
        let corners = inside(Corners::from_corner(x, y, w, h), width, height).map_err(at)?;
        examples[example].boxes.push((corners, class));
    }
    if examples.is_empty() {
        return Err("there is no picture in it".into());
    }
    Ok(Collection { examples, classes: categories.into_values().collect() })
}
