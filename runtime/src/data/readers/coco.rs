//! The annotations of COCO: one JSON file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;

use super::{agrees, at_line, inside, read_text, size_of_picture};
use crate::boxes::Corners;
use crate::data::{Collection, Example, Pixels};
use crate::files::FileError;
use crate::metrics::TrueBox;

/// Boxes of the pictures of a file, which are looked up in `images`. Classes are numbered from 0 in the order of the numbers that
/// they have there.
///
/// Crowds (`iscrowd`) are not learnt from, nor are boxes without width or height, of which COCO has a few; detectors are judged by
/// them as COCO does, and by the `area` that the file says (Lin et al. 2014; cocodataset.org, "Detection evaluation").
///
/// # Errors
/// Where the file cannot be read, is no such JSON, speaks of images or categories that it does not list, or has a box outside of
/// its picture, or where a picture is missing or has another size than the file says. The error names the line.
pub fn coco(annotations: &Path, images: &Path) -> Result<Collection, FileError> {
    let text = read_text(annotations)?;
    let page = Page { path: annotations, text: &text };
    let lists: BTreeMap<String, &RawValue> = serde_json::from_str(&text).map_err(|e| {
        FileError::new(annotations, format!("line {}, column {}: no valid JSON: {e}", e.line(), e.column()))
    })?;
    let categories = page.categories(&lists)?;
    let mut pictures = page.pictures(&lists, images)?;
    page.annotations(&lists, &categories, &mut pictures)?;
    if pictures.examples.is_empty() {
        return Err(FileError::new(annotations, "there is no picture in it"));
    }
    Ok(Collection { examples: pictures.examples, classes: categories.into_values().collect() })
}

/// The text of the file, for mistakes to point at.
struct Page<'a> {
    path: &'a Path,
    text: &'a str,
}

/// One of a list.
struct Item {
    /// `annotations[7]`
    name: String,
    line: usize,
    value: Value,
}

/// Pictures, and where they are by their numbers in the file.
#[derive(Default)]
struct Pictures {
    examples: Vec<Example>,
    /// Position, width and height.
    of_id: BTreeMap<u64, (usize, f32, f32)>,
}

impl Page<'_> {
    fn error(&self, item: &Item, message: impl std::fmt::Display) -> FileError {
        let id = item.value["id"].as_u64().map_or(String::new(), |id| format!(" (id {id})"));
        at_line(self.path, item.line, format!("{}{id}: {message}", item.name))
    }

    /// The items of a list, read one by one: the files of COCO are large.
    fn list(
        &self,
        lists: &BTreeMap<String, &RawValue>,
        name: &'static str,
    ) -> Result<impl Iterator<Item = Result<Item, FileError>>, FileError> {
        let missing = || FileError::new(self.path, format!("it has no list `{name}`"));
        let list = lists.get(name).ok_or_else(missing)?;
        let items: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(|_| missing())?;
        // The line of an item is counted on from that of the one in front of it.
        let (mut line, mut seen) = (1, 0);
        Ok((0..).zip(items).map(move |(number, raw): (usize, &RawValue)| {
            let at = raw.get().as_ptr().addr() - self.text.as_ptr().addr();
            line += self.text.as_bytes()[seen..at].iter().filter(|byte| **byte == b'\n').count();
            seen = at;
            let name = format!("{name}[{number}]");
            match serde_json::from_str(raw.get()) {
                Ok(value) => Ok(Item { name, line, value }),
                Err(e) => Err(at_line(self.path, line, format!("{name}: no valid JSON: {e}"))),
            }
        }))
    }

    /// Names by their numbers in the file.
    fn categories(&self, lists: &BTreeMap<String, &RawValue>) -> Result<BTreeMap<u64, String>, FileError> {
        let category = |item: Result<Item, FileError>| {
            let item = item?;
            let id = item.value["id"].as_u64().ok_or_else(|| self.error(&item, "it has no `id`"))?;
            let name = item.value["name"].as_str().ok_or_else(|| self.error(&item, "it has no `name`"))?;
            Ok((id, name.to_owned()))
        };
        self.list(lists, "categories")?.map(category).collect()
    }

    fn pictures(&self, lists: &BTreeMap<String, &RawValue>, folder: &Path) -> Result<Pictures, FileError> {
        let mut all = Pictures::default();
        for item in self.list(lists, "images")? {
            let item = item?;
            let error = |message: String| self.error(&item, message);
            let id = item.value["id"].as_u64().ok_or_else(|| error("it has no `id`".into()))?;
            let name = item.value["file_name"].as_str().ok_or_else(|| error("it has no `file_name`".into()))?;
            // What is missing is like 0, which says nothing.
            let side = |name: &str| match &item.value[name] {
                Value::Null => Ok(0.0),
                said => said
                    .as_f64()
                    .map(|x| x as f32)
                    .ok_or_else(|| error(format!("`{name}` is {said}, but it must be a number"))),
            };
            let (path, said): (PathBuf, _) = (folder.join(name), (side("width")?, side("height")?));
            let (width, height) = size_of_picture(&path).map_err(|e| error(e.to_string()))?;
            if !agrees(said, (width, height)) {
                return Err(error(format!("it is {} x {}, but the picture has {width} x {height}", said.0, said.1)));
            }
            all.of_id.insert(id, (all.examples.len(), width, height));
            all.examples.push(Example::new(Pixels::File(path)));
        }
        Ok(all)
    }

    fn annotations(
        &self,
        lists: &BTreeMap<String, &RawValue>,
        categories: &BTreeMap<u64, String>,
        pictures: &mut Pictures,
    ) -> Result<(), FileError> {
        let numbers: BTreeMap<u64, u32> = categories.keys().copied().zip(0..).collect();
        for item in self.list(lists, "annotations")? {
            let item = item?;
            let error = |message: String| self.error(&item, message);
            let value = &item.value;
            let known = |list: &str, id: &str| error(format!("there is no {list} with the id {}", value[id]));
            let image = value["image_id"].as_u64().and_then(|id| pictures.of_id.get(&id));
            let &(example, width, height) = image.ok_or_else(|| known("image", "image_id"))?;
            let class = value["category_id"].as_u64().and_then(|id| numbers.get(&id));
            let &class = class.ok_or_else(|| known("category", "category_id"))?;
            let corners = corners(&value["bbox"], width, height).map_err(error)?;
            let crowd = value["iscrowd"].as_u64() == Some(1);
            let area = value["area"].as_f64().map(|area| area as f32);
            let example = &mut pictures.examples[example];
            example.truths.push(TrueBox { crowd, area, ..TrueBox::new(0, class, corners) });
            if !crowd && corners.is_proper() {
                example.boxes.push((corners, class));
            }
        }
        Ok(())
    }
}

/// A box `[x, y, width, height]` that lies in its picture.
fn corners(bbox: &Value, width: f32, height: f32) -> Result<Corners, String> {
    let numbers: Option<Vec<f32>> =
        bbox.as_array().map(|list| list.iter().filter_map(|x| Some(x.as_f64()? as f32)).collect());
    let &[x, y, w, h] = numbers.as_deref().unwrap_or_default() else {
        return Err(format!("`bbox` is {bbox}, but it must be [x, y, width, height]"));
    };
    let corners = Corners::from_corner(x, y, w, h);
    match w >= 0.0 && h >= 0.0 && (w == 0.0 || h == 0.0) {
        true => Ok(corners),
        false => inside(corners, width, height),
    }
}
