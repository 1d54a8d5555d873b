//! Pictures and bars in a terminal.

use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

use crate::data::{Picture, Raster};

/// No picture is drawn wider or higher.
const MOST_PIXELS: usize = 48;

/// Columns of the longest bar.
const BAR: usize = 24;

/// The lines of a picture. Each character shows two pixels, one above the other: in colours, or as what is more bright
/// than dark.
pub(super) fn picture(raster: &Raster, color: bool) -> Vec<String> {
    let raster = &shrink(raster);
    let row = |y: usize| {
        let mut line = String::new();
        for x in 0..raster.width {
            let (above, below) = (pixel(raster, x, y), pixel(raster, x, y + 1));
            if color {
                line.push_str(&format!("\x1b[38;5;{};48;5;{}m▀", palette(above), palette(below)));
            } else {
                let bright = |pixel: [u8; 3]| pixel.iter().map(|&c| u32::from(c)).sum::<u32>() > 3 * 100;
                line.push(match (bright(above), bright(below)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
        }
        if color {
            line.push_str("\x1b[0m");
        }
        line
    };
    (0..raster.height).step_by(2).map(row).collect()
}

/// Shrinks what is too large to be drawn, keeping its proportions.
fn shrink(raster: &Raster) -> Raster {
    let most = raster.width.max(raster.height);
    if most <= MOST_PIXELS {
        return raster.clone();
    }
    let side = |n: usize| (n * MOST_PIXELS / most).max(1);
    let shape = [raster.channels, side(raster.height), side(raster.width)];
    let values = raster.to_input(&shape, &Picture::default());
    values.and_then(|values| Raster::from_tensor(&values, &shape, (0.0, 1.0))).unwrap_or_else(|_| raster.clone())
}

fn pixel(raster: &Raster, x: usize, y: usize) -> [u8; 3] {
    let start = (y * raster.width + x) * raster.channels;
    match raster.bytes.get(start..start + raster.channels) {
        Some(&[r, g, b]) => [r, g, b],
        Some(&[grey]) => [grey; 3],
        _ => [0; 3],
    }
}

/// The nearest of the 256 colours that nearly every terminal has: 24 greys or a cube of 6 by 6 by 6.
fn palette([r, g, b]: [u8; 3]) -> u8 {
    if r.abs_diff(g) < 8 && g.abs_diff(b) < 8 {
        return match g {
            0..4 => 16,
            247.. => 231,
            grey => 232 + ((u16::from(grey) * 23 + 119) / 238).min(23) as u8,
        };
    }
    let level = |c: u8| ((u16::from(c) * 5 + 127) / 255) as u8;
    16 + 36 * level(r) + 6 * level(g) + level(b)
}

/// A class and how probable it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Guess {
    pub(super) class: usize,
    pub(super) name: String,
    pub(super) probability: f32,
}

/// Lines with a bar for each class.
pub(super) fn bars(guesses: &[Guess]) -> Vec<String> {
    let width = guesses.iter().map(|guess| guess.name.chars().count()).max().unwrap_or(0);
    let line = |guess: &Guess| {
        let bar = bar(guess.probability);
        format!("{:>width$} {bar:<BAR$} {}", guess.name, percent(f64::from(guess.probability)))
    };
    guesses.iter().map(line).collect()
}

/// A bar in eighths of a column.
fn bar(fraction: f32) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (fraction.clamp(0.0, 1.0) * (BAR * 8) as f32).round() as usize;
    "█".repeat(eighths / 8) + EIGHTHS[eighths % 8]
}

/// `98.10 %`
pub(super) fn percent(fraction: f64) -> String {
    format!("{:5.2} %", fraction * 100.0)
}

/// Two columns of lines; `width` is that of the left one as it is seen.
pub(super) fn beside(left: &[String], width: usize, right: &[String]) -> Vec<String> {
    let lines = left.len().max(right.len());
    let start = |lines: usize, part: usize| (lines - part) / 2;
    let (left_start, right_start) = (start(lines, left.len()), start(lines, right.len()));
    let at = |lines: &[String], start: usize, i: usize| i.checked_sub(start).and_then(|i| lines.get(i)).cloned();
    (0..lines)
        .map(|i| {
            let left = at(left, left_start, i).unwrap_or_else(|| " ".repeat(width));
            format!("{left}  {}", at(right, right_start, i).unwrap_or_default()).trim_end().to_string()
        })
        .collect()
}

/// Columns that a drawn picture takes.
pub(super) fn width(raster: &Raster) -> usize {
    shrink(raster).width
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn raster(width: usize, height: usize, bytes: Vec<u8>) -> Raster {
        Raster { width, height, channels: bytes.len() / width / height, bytes }
    }

    #[test]
    fn half_blocks_show_two_rows() {
        let plain = picture(&raster(4, 3, vec![0, 255, 0, 255, 0, 0, 255, 255, 255, 0, 0, 0]), false);
        assert_eq!(plain, [" ▀▄█", "▀   "]);
        let colors = picture(&raster(1, 2, vec![255, 0, 0, 128, 128, 128]), true);
        assert_eq!(colors, ["\x1b[38;5;196;48;5;244m▀\x1b[0m"]);
    }

    #[test]
    fn large_pictures_shrink() {
        let large = raster(480, 240, vec![200; 480 * 240]);
        let lines = picture(&large, false);
        assert_eq!((lines.len(), lines[0].chars().count(), width(&large)), (12, 48, 48));
        assert!(lines.iter().all(|line| line.chars().all(|c| c == '█')));
    }

    #[test]
    fn bars_have_the_length_of_probabilities() {
        let guess = |name: &str, probability| Guess { class: 0, name: name.to_string(), probability };
        let lines = bars(&[guess("cat", 0.5), guess("chicken", 0.005), guess("dog", 0.0)]);
        assert_eq!(lines[0], format!("    cat {}{} 50.00 %", "█".repeat(12), " ".repeat(12)));
        assert_eq!(lines[1], format!("chicken ▏{}  0.50 %", " ".repeat(23)));
        assert_eq!(lines[2], format!("    dog {}  0.00 %", " ".repeat(24)));
    }

    #[test]
    fn columns_are_centred() {
        let text = |lines: &[&str]| lines.iter().map(|line| line.to_string()).collect::<Vec<_>>();
        assert_eq!(beside(&text(&["ab", "cd", "ef"]), 2, &text(&["x"])), ["ab", "cd  x", "ef"]);
        assert_eq!(beside(&text(&["ab"]), 2, &text(&["x", "y"])), ["ab  x", "    y"]);
    }
}
