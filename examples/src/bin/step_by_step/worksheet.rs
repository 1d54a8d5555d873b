//! The worksheet as a picture: matrices with their numbers, the way forward above, the way back below.

use super::matrix::Matrix;

const CELL: usize = 36;
const GAP: usize = 34;
const HEAD: usize = 44;

/// A matrix with what stands above it.
pub struct Grid<'a> {
    pub title: &'a str,
    pub matrix: &'a Matrix,
}

/// Rows of matrices, each under a line of text, as an SVG file.
pub fn drawn(rows: &[(&str, Vec<Grid<'_>>)]) -> String {
    let width_of = |grid: &Grid<'_>| grid.matrix.columns.max(3) * CELL + GAP;
    let width = rows.iter().map(|(_, grids)| grids.iter().map(width_of).sum::<usize>()).max().unwrap_or(0) + GAP;
    let mut body = String::new();
    let mut top = GAP;
    for (line, grids) in rows {
        body += &text(GAP, top, "start", 17, line);
        let height = grids.iter().map(|grid| grid.matrix.rows).max().unwrap_or(0) * CELL;
        let mut left = GAP;
        for grid in grids {
            let middle = (height - grid.matrix.rows * CELL) / 2;
            body += &cells(grid, left, top + HEAD + middle);
            left += width_of(grid);
        }
        top += HEAD + height + 2 * GAP;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {top}\" width=\"{width}\" height=\"{top}\" \
         font-family=\"sans-serif\">\n<rect width=\"{width}\" height=\"{top}\" fill=\"white\"/>\n{body}</svg>\n"
    )
}

/// One matrix: orange is positive, blue is negative, the more the stronger.
fn cells(grid: &Grid<'_>, left: usize, top: usize) -> String {
    let most = grid.matrix.values.iter().fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
    let mut svg = text(left, top - 8, "start", 13, grid.title);
    for y in 0..grid.matrix.rows {
        for x in 0..grid.matrix.columns {
            let (value, at) = (grid.matrix.at(y, x), (left + x * CELL, top + y * CELL));
            let color = if value < 0.0 { "#5b9bd5" } else { "#f0a050" };
            svg += &format!(
                "<rect x=\"{}\" y=\"{}\" width=\"{CELL}\" height=\"{CELL}\" fill=\"{color}\" fill-opacity=\"{:.2}\" \
                 stroke=\"#888888\"/>\n",
                at.0,
                at.1,
                value.abs() / most * 0.9
            );
            let number = value.to_string();
            let size = (13 * 5 / number.len()).clamp(7, 13);
            svg += &text(at.0 + CELL / 2, at.1 + (CELL + size) / 2 - 2, "middle", size, &number);
        }
    }
    svg
}

fn text(x: usize, y: usize, anchor: &str, size: usize, words: &str) -> String {
    format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{words}</text>\n")
}
