//! Tables as text: lines of fields behind commas, semicolons or tabs, under a heading.

use std::path::Path;

use super::at_line;
use crate::files::FileError;

/// A table under a heading; lines without text are passed over.
pub(super) struct Table<'a> {
    path: &'a Path,
    heading: Vec<&'a str>,
    /// The number of its line, from 1.
    line: usize,
    /// Numbers of the lines, from 1, and as many fields as the heading has.
    pub(super) rows: Vec<(usize, Vec<&'a str>)>,
}

impl<'a> Table<'a> {
    /// The table of a file with this text.
    pub(super) fn new(path: &'a Path, text: &'a str) -> Result<Self, FileError> {
        let mut lines = (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty());
        let (line, heading) = lines.next().map_or((1, Vec::new()), |(number, line)| (number, fields(line)));
        let rows: Vec<_> = lines.map(|(number, line)| (number, fields(line))).collect();
        match rows.iter().find(|(_, row)| row.len() != heading.len()) {
            Some((number, row)) => {
                let message = format!("{} fields, but the heading has {}", row.len(), heading.len());
                Err(at_line(path, *number, message))
            }
            None => Ok(Self { path, heading, line, rows }),
        }
    }

    /// Where these columns are. There may be others.
    pub(super) fn columns<const N: usize>(&self, names: [&str; N]) -> Result<[usize; N], FileError> {
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            *place = self.heading.iter().position(|known| *known == name).ok_or_else(|| {
                let needed = names.join(", ");
                at_line(
                    self.path,
                    self.line,
                    format!("there is no column `{name}` in the heading; `{needed}` are needed"),
                )
            })?;
        }
        Ok(places)
    }
}

fn fields(line: &str) -> Vec<&str> {
    line.split([',', ';', '\t']).map(str::trim).collect()
}
