//! Curves as SVG, which any browser shows.

use crate::metrics::Roc;

/// A named line.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it shows.
    pub name: String,
    /// x and y, in order; what is not finite is left out.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 36.0;
const COLORS: [&str; 6] = ["#1f6fb2", "#d1602b", "#3a9152", "#8a56a8", "#b08a1e", "#555555"];

/// A diagram of curves over a common axis, as an `<svg>` element.
pub fn curves(title: &str, x_name: &str, curves: &[Curve]) -> String {
    let all = || curves.iter().flat_map(|curve| finite(&curve.points));
    let (x_low, x_high) = range(all().map(|p| p.0));
    let (y_low, y_high) = range(all().map(|p| p.1));
    let x_of = |x: f64| LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT);
    let y_of = |y: f64| HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"16\" font-weight=\"bold\">{}</text>\n",
        escaped(title)
    );
    for y in ticks(y_low, y_high) {
        let at = y_of(y);
        svg += &format!(
            "<path d=\"M{LEFT} {at:.1}H{:.1}\" stroke=\"#dddddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            WIDTH - RIGHT,
            LEFT - 6.0,
            at + 4.0,
            number(y)
        );
    }
    for x in ticks(x_low, x_high) {
        svg += &format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
            x_of(x),
            HEIGHT - BOTTOM + 16.0,
            number(x)
        );
    }
    svg += &format!(
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 4.0,
        escaped(x_name)
    );
    let mut legend = LEFT;
    for (curve, color) in curves.iter().zip(COLORS.iter().cycle()) {
        let places: Vec<String> =
            finite(&curve.points).map(|(x, y)| format!("{:.1},{:.1}", x_of(x), y_of(y))).collect();
        if let [place] = &places[..] {
            let (x, y) = place.split_once(',').unwrap_or_default();
            svg += &format!("<circle cx=\"{x}\" cy=\"{y}\" r=\"3\" fill=\"{color}\"/>\n");
        }
        svg += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\n",
            places.join(" ")
        );
        svg += &format!("<text x=\"{legend:.1}\" y=\"30\" fill=\"{color}\">{}</text>\n", escaped(&curve.name));
        legend += 7.0 * curve.name.chars().count() as f64 + 24.0;
    }
    svg + "</svg>\n"
}

/// What verifiers accept, each by its name: the share of same ones over the share of different ones, with the area under the curve.
pub fn roc(title: &str, verifiers: &[(&str, &Roc)]) -> String {
    /// Points of a curve; more are not seen.
    const POINTS: usize = 300;
    let curve = |(name, roc): &(&str, &Roc)| {
        let all = roc.points();
        let some = all.iter().step_by(all.len().div_ceil(POINTS)).chain(all.last());
        let points = some.map(|p| (p.false_positive_rate, p.true_positive_rate)).collect();
        Curve { name: format!("{name} (AUC {:.4})", roc.auc()), points }
    };
    let all: Vec<Curve> = verifiers.iter().map(curve).collect();
    curves(title, "same ones that are accepted, over different ones that are", &all)
}

fn finite(points: &[(f64, f64)]) -> impl Iterator<Item = (f64, f64)> {
    points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite())
}

/// Lowest and highest, never the same.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    match (low.is_finite(), high > low) {
        (false, _) => (0.0, 1.0),
        (true, true) => (low, high),
        (true, false) => {
            let around = (low.abs() * 0.1).max(0.5);
            (low - around, low + around)
        }
    }
}

/// About five round numbers.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|f| f * power).find(|step| *step >= rough).unwrap_or(rough);
    let first = (low / step).ceil() as i64;
    (first..first + 12).map(|i| i as f64 * step).take_while(|x| *x <= high + step * 1e-9).collect()
}

/// Short, without the noise of binary fractions.
fn number(x: f64) -> String {
    match x.abs() {
        0.0 => "0".to_owned(),
        a if !(1e-4..1e6).contains(&a) => format!("{x:.0e}"),
        _ => {
            let text = format!("{x:.5}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

/// For use in XML and HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
