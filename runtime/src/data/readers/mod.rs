//! Readers of data sets as they are found on the web. Errors name the file and the line.

mod arrays;
mod boxes;
mod cifar;
mod coco;
mod comparisons;
mod folders;
mod idx;
mod landmarks;
mod table;
mod voc;
mod yolo;

use std::borrow::Borrow;
use std::path::{Path, PathBuf};

pub use arrays::{Array, Arrays};
pub use boxes::{boxes, splits};
pub use cifar::{Cifar, cifar};
pub use coco::coco;
pub use comparisons::{Compared, comparisons};
pub use folders::folders;
pub use idx::idx;
pub use landmarks::landmarks;
pub use voc::voc;
pub use yolo::yolo;

use super::picture::NO_PICTURE;
use crate::boxes::Corners;
use crate::files::FileError;
use crate::nearest::nearest;

/// Endings of files that are taken for pictures.
const PICTURES: [&str; 9] = ["png", "jpg", "jpeg", "bmp", "gif", "pgm", "ppm", "pnm", "webp"];

/// What a folder holds, by name.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let read = std::fs::read_dir(folder).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => FileError::new(folder, "there is no such folder"),
        std::io::ErrorKind::NotADirectory => FileError::new(folder, "this is a file, a folder is needed"),
        _ => FileError::io(folder, &e),
    })?;
    let paths = read.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut paths = paths.map_err(|e| FileError::io(folder, &e))?;
    paths.retain(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
    paths.sort();
    Ok(paths)
}

/// Files of a folder with one of these endings.
fn files(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, FileError> {
    let mut paths = entries(folder)?;
    paths.retain(|path| {
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| endings.contains(&&*ending)) && path.is_file()
    });
    Ok(paths)
}

fn read_text(path: &Path) -> Result<String, FileError> {
    let bytes = std::fs::read(path).map_err(|e| FileError::io(path, &e))?;
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        FileError::new(path, format!("line {line}: this is no text in UTF-8"))
    })
}

/// An error about a line, counted from 1.
fn at_line(path: &Path, line: usize, message: impl std::fmt::Display) -> FileError {
    FileError::new(path, format!("line {line}: {message}"))
}

/// A box that lies in its picture; files round, so that a pixel beyond the side is cut off.
fn inside(b: Corners, width: f32, height: f32) -> Result<Corners, String> {
    if !b.is_proper() {
        return Err(format!("the box from ({}, {}) to ({}, {}) has no area", b.x1, b.y1, b.x2, b.y2));
    }
    if b.x1 < -1.0 || b.y1 < -1.0 || b.x2 > width + 1.0 || b.y2 > height + 1.0 {
        let (x, y) = ((-b.x1).max(b.x2 - width), (-b.y1).max(b.y2 - height));
        let beyond = if x >= y { format!("{x} pixels across") } else { format!("{y} pixels down") };
        return Err(format!(
            "the box from ({}, {}) to ({}, {}) lies outside of its picture of {width} x {height}, by {beyond}; fits: a box within \
             it, but for a pixel",
            b.x1, b.y1, b.x2, b.y2
        ));
    }
    Ok(b.clipped(width, height))
}

/// Width and height of a picture, from its header alone.
pub(super) fn size_of_picture(path: &Path) -> Result<(f32, f32), FileError> {
    let file = std::fs::File::open(path).map_err(|e| FileError::io(path, &e))?;
    let reader = image::ImageReader::new(std::io::BufReader::new(file)).with_guessed_format();
    let reader = reader.map_err(|e| FileError::io(path, &e))?;
    let Some(format) = reader.format() else {
        let is_empty = path.metadata().is_ok_and(|about| about.len() == 0);
        return Err(FileError::new(path, if is_empty { "the file is empty" } else { NO_PICTURE }));
    };
    let damaged = |e| FileError::new(path, format!("damaged {}: {e}", format!("{format:?}").to_uppercase()));
    let (width, height) = reader.into_dimensions().map_err(damaged)?;
    Ok((width as f32, height as f32))
}

/// Whether annotations speak of a picture of this size; files round, and some say 0, which is nothing.
fn agrees(said: (f32, f32), (width, height): (f32, f32)) -> bool {
    let near = |said: f32, side: f32| said == 0.0 || (said - side).abs() <= 1.0;
    near(said.0, width) && near(said.1, height)
}

/// Names of classes: those that are given, in their order, or those that are found, by name.
struct Names {
    names: Vec<String>,
}

impl Names {
    fn new(given: &[String], mut found: Vec<String>) -> Self {
        if !given.is_empty() {
            return Self { names: given.to_vec() };
        }
        found.sort();
        found.dedup();
        Self { names: found }
    }

    fn number(&self, name: &str) -> Result<u32, String> {
        match self.names.iter().position(|known| known == name) {
            Some(number) => Ok(number as u32),
            None => {
                let known = self.names.iter().map(String::as_str);
                let near = nearest(name, known, name.chars().count() / 2);
                let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                Err(format!("there is no class `{name}`; the classes are {}{near}", listed(&self.names)))
            }
        }
    }
}

/// Some of the names.
pub(super) fn listed<S: Borrow<str>>(names: &[S]) -> String {
    const MOST: usize = 8;
    match names.split_at_checked(MOST) {
        _ if names.is_empty() => "none".into(),
        Some((first, rest @ [_, ..])) => format!("`{}` and {} more", first.join("`, `"), rest.len()),
        _ => format!("`{}`", names.join("`, `")),
    }
}

#[cfg(test)]
mod tests;
