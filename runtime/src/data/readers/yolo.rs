//! The files of Darknet: beside `photo.jpg` a `photo.txt` with a box a line, `class x y width height`, centre and size as shares
//! of the picture (Redmon; <https://pjreddie.com/darknet/yolo/>, "Generate Labels").

use std::path::Path;

use super::{PICTURES, at_line, files, inside, read_text, size_of_picture};
use crate::boxes::{Corners, Normalized};
use crate::data::{Collection, Example, Pixels};
use crate::files::FileError;

/// Pictures of a folder with the boxes that files of the same name in `labels` hold; a picture without one has no boxes.
/// `classes` are their names; empty where they have numbers only.
///
/// # Errors
///
/// Names the file and the line: a number is none or out of its range, a class is none, or a box does not lie in its picture; or the folder:
/// there is none, or no picture in it.
pub fn yolo(labels: &Path, images: &Path, classes: &[String]) -> Result<Collection, FileError> {
    let pictures = files(images, &PICTURES)?;
    if pictures.is_empty() {
        return Err(FileError::new(images, "there is no picture in it"));
    }
    let example = |path: std::path::PathBuf| {
        let file = labels.join(path.file_stem().unwrap_or_default()).with_extension("txt");
        let boxes = if file.exists() { boxes(&file, size_of_picture(&path)?, classes)? } else { Vec::new() };
        Ok(Example { boxes, ..Example::new(Pixels::File(path)) })
    };
    let examples = pictures.into_iter().map(example).collect::<Result<_, FileError>>()?;
    Ok(Collection { examples, classes: classes.to_vec() })
}

fn boxes(file: &Path, (width, height): (f32, f32), classes: &[String]) -> Result<Vec<(Corners, u32)>, FileError> {
    let text = read_text(file)?;
    let lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(number, line)| one(line, width, height, classes).map_err(|e| at_line(file, number, e))).collect()
}

fn one(line: &str, width: f32, height: f32, classes: &[String]) -> Result<(Corners, u32), String> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [class, numbers @ ..] = &fields[..] else { return Err("`class x y width height` is needed".into()) };
    if numbers.len() != 4 {
        return Err(format!("{} numbers, but `class x y width height` are five", fields.len()));
    }
    let class: u32 = class.parse().map_err(|_| format!("`{class}` is no number of a class"))?;
    if !classes.is_empty() && class as usize >= classes.len() {
        return Err(format!("class {class}, but there are {} classes (0 to {})", classes.len(), classes.len() - 1));
    }
    let mut values = [0.0; 4];
    for (value, field) in values.iter_mut().zip(numbers) {
        *value = field.parse::<f32>().map_err(|_| format!("`{field}` is no number"))?;
        if !(0.0..=1.0).contains(value) {
            return Err(format!("{field} is no share of the picture: they go from 0 to 1"));
        }
    }
    let [x, y, w, h] = values;
    let b = Normalized { x, y, width: w, height: h }.in_picture(width, height);
    Ok((inside(b.into(), width, height)?, class))
}
