//! Small matrices, and how they are printed.

use cnnc_runtime::random::Random;

/// Numbers in rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f32>,
}

impl Matrix {
    /// A matrix of this size from its values, row by row.
    pub fn new(rows: usize, columns: usize, values: &[f32]) -> Self {
        assert_eq!(values.len(), rows * columns, "one value for each cell");
        Self { rows, columns, values: values.to_vec() }
    }

    /// A matrix whose cell in row `y` and column `x` is `f(y, x)`.
    pub fn from_fn(rows: usize, columns: usize, f: impl Fn(usize, usize) -> f32) -> Self {
        let values = (0..rows * columns).map(|i| f(i / columns, i % columns)).collect();
        Self { rows, columns, values }
    }

    /// Whole multiples of `unit`, from `low` to `high` of them: `f32` adds and multiplies such numbers without rounding.
    pub fn drawn(rows: usize, columns: usize, (low, high): (i32, i32), unit: f32, random: &mut Random) -> Self {
        let span = u64::from(high.abs_diff(low)) + 1;
        let values = (0..rows * columns).map(|_| (low + random.below(span) as i32) as f32 * unit).collect();
        Self { rows, columns, values }
    }

    /// The cell in row `y` and column `x`.
    pub fn at(&self, y: usize, x: usize) -> f32 {
        self.values[y * self.columns + x]
    }

    /// The same, to be written.
    pub fn at_mut(&mut self, y: usize, x: usize) -> &mut f32 {
        &mut self.values[y * self.columns + x]
    }

    /// Its rows as lines of text, columns aligned.
    fn lines(&self) -> Vec<String> {
        let texts: Vec<String> = self.values.iter().map(f32::to_string).collect();
        let width = texts.iter().map(String::len).max().unwrap_or(0);
        let line = |row: &[String]| row.iter().map(|text| format!("{text:>width$}")).collect::<Vec<_>>().join("  ");
        texts.chunks(self.columns).map(line).collect()
    }
}

/// Two matrices of the same size side by side.
pub fn side_by_side(left: &Matrix, right: &Matrix) -> String {
    let pairs = left.lines().into_iter().zip(right.lines());
    pairs.map(|(left, right)| format!("    {left}    |    {right}\n")).collect()
}
