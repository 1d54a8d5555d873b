//! What tuning has changed, as a table.

/// A kind of convolution.
#[derive(Debug)]
pub struct Row {
    /// Its layers.
    pub layer: String,
    /// The model's choice.
    pub was: String,
    /// What is faster.
    pub is: String,
    /// Microseconds of a layer by the model's choice.
    pub was_us: f64,
    /// Microseconds of a layer now.
    pub is_us: f64,
}

/// Columns under their names; nothing where there are no rows.
pub fn text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head = ["layer", "was", "is", "µs", "µs", "saved"].map(str::to_owned);
    let cells = |row: &Row| {
        let saved = 100.0 * (1.0 - row.is_us / row.was_us);
        let us = |time: f64| format!("{time:.1}");
        [row.layer.clone(), row.was.clone(), row.is.clone(), us(row.was_us), us(row.is_us), format!("{saved:.1} %")]
    };
    let lines: Vec<[String; 6]> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| lines.iter().map(|l| l[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cell = |(column, cell): (usize, &String)| match column {
            0..3 => format!("{cell:<0$}", widths[column]),
            _ => format!("{cell:>0$}", widths[column]),
        };
        text += line.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text.push('\n');
    text
}
