//! Beats of each class, and where the network looks, as an SVG file.

use super::Beats;

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 200.0;
const MARGIN: f64 = 24.0;

/// Panels side by side.
const COLUMNS: usize = 3;

/// Beats drawn for a class, at most.
const MOST: usize = 40;

/// A panel for each class that has beats: some of them in grey, their mean over them, redder where the mean saliency is higher.
pub fn of_beats(beats: &Beats, saliency: &[f32], names: &[&str]) -> String {
    let members = |class: usize| -> Vec<usize> {
        (0..beats.labels.len()).filter(|&number| beats.labels[number] as usize == class).collect()
    };
    let present: Vec<usize> = (0..names.len()).filter(|&class| !members(class).is_empty()).collect();
    let (columns, rows) = (present.len().min(COLUMNS), present.len().div_ceil(COLUMNS));
    let (width, height) = (columns as f64 * (WIDTH + MARGIN) + MARGIN, rows as f64 * (HEIGHT + 2.0 * MARGIN));
    let range = beats.signals.iter().fold((f32::MAX, f32::MIN), |(low, high), &x| (low.min(x), high.max(x)));
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"14\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (place, &class) in present.iter().enumerate() {
        let left = MARGIN + (place % COLUMNS) as f64 * (WIDTH + MARGIN);
        let top = MARGIN + (place / COLUMNS) as f64 * (HEIGHT + 2.0 * MARGIN);
        let panel = Panel { left, top, samples: beats.samples, range };
        let members = members(class);
        svg += &format!(
            "<text x=\"{:.0}\" y=\"{:.0}\" font-weight=\"bold\">{}: {} beats</text>\n",
            panel.left,
            panel.top - 6.0,
            names[class],
            members.len()
        );
        for &number in members.iter().take(MOST) {
            svg += &panel.line(beats.beat(number));
        }
        let mean = mean_of(&beats.signals, beats.samples, &members);
        svg += &panel.colored(&mean, &smooth(&mean_of(saliency, beats.samples, &members)));
    }
    svg + "</svg>\n"
}

/// Where the beats of a class are drawn.
struct Panel {
    left: f64,
    top: f64,
    samples: usize,
    range: (f32, f32),
}

impl Panel {
    fn place(&self, sample: usize, value: f32) -> (f64, f64) {
        let (low, high) = self.range;
        let x = self.left + sample as f64 / (self.samples - 1) as f64 * WIDTH;
        (x, self.top + HEIGHT * f64::from((high - value) / (high - low).max(f32::MIN_POSITIVE)))
    }

    /// A beat as a thin grey line.
    fn line(&self, beat: &[f32]) -> String {
        let point = |(sample, &value): (usize, &f32)| {
            let (x, y) = self.place(sample, value);
            format!("{x:.1},{y:.1}")
        };
        let points: Vec<String> = beat.iter().enumerate().map(point).collect();
        format!("<polyline points=\"{}\" fill=\"none\" stroke=\"#cccccc\"/>\n", points.join(" "))
    }

    /// A beat as a thick line from blue (saliency 0) to red (the highest).
    fn colored(&self, beat: &[f32], saliency: &[f32]) -> String {
        let most = saliency.iter().fold(f32::MIN_POSITIVE, |most, &x| most.max(x));
        let mut svg = String::new();
        for sample in 1..beat.len() {
            let (from, to) = (self.place(sample - 1, beat[sample - 1]), self.place(sample, beat[sample]));
            let share = saliency[sample] / most;
            let (red, blue) = ((40.0 + 200.0 * share) as u8, (200.0 - 170.0 * share) as u8);
            svg += &format!(
                "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" stroke=\"rgb({red},40,{blue})\" stroke-width=\"{:.1}\" \
                 stroke-linecap=\"round\"/>\n",
                from.0,
                from.1,
                to.0,
                to.1,
                1.5 + 4.0 * share
            );
        }
        svg
    }
}

/// The mean of some rows.
fn mean_of(rows: &[f32], length: usize, numbers: &[usize]) -> Vec<f32> {
    let mean = |i: usize| numbers.iter().map(|number| rows[number * length + i]).sum::<f32>() / numbers.len() as f32;
    (0..length).map(mean).collect()
}

/// Each value as the mean of itself and its neighbours, two on each side.
fn smooth(values: &[f32]) -> Vec<f32> {
    let mean = |i: usize| {
        let near = &values[i.saturating_sub(2)..(i + 3).min(values.len())];
        near.iter().sum::<f32>() / near.len() as f32
    };
    (0..values.len()).map(mean).collect()
}
