//! Tables of results.

use std::fmt;

/// Rows of texts under a head; shown as a Markdown table whose columns are aligned.
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with this head and no rows.
    pub fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    /// Adds a row, which has as many cells as the head.
    pub fn row(&mut self, cells: &[&dyn fmt::Display]) {
        assert_eq!(cells.len(), self.rows[0].len(), "a row has as many cells as the head");
        self.rows.push(cells.iter().map(ToString::to_string).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width_of = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.rows[0].len()).map(width_of).collect();
        for (number, row) in self.rows.iter().enumerate() {
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                if column == 0 { write!(f, "| {cell:<width$} |")? } else { write!(f, " {cell:>width$} |")? }
            }
            writeln!(f)?;
            if number == 0 {
                for (column, &width) in widths.iter().enumerate() {
                    let dashes = "-".repeat(width + 1);
                    if column == 0 { write!(f, "|{dashes}-|")? } else { write!(f, "{dashes}:|")? }
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(&["net", "accuracy"]);
        table.row(&[&"plain", &0.5]);
        assert_eq!(table.to_string(), "| net   | accuracy |\n|-------|---------:|\n| plain |      0.5 |\n");
    }
}
